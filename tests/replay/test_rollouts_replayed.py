"""Rollouts in a replay: shards and the live loop take the same steps at the same moments."""

import shutil

import pytest

from engine.adapters.journal_memory import MemoryJournal
from engine.core.vocabulary.facts import CapabilityReplayed, StageChanged
from engine.runtime.loop import fact_of
from engine.wiring import SHIPPED_CONFIG, read_policy
from simulator.recording import Header, Origin, Recording, RecordingWriter
from simulator.replay.driver import Replay
from simulator.replay.journalled import replay_into
from simulator.world.recorded import record
from simulator.world.stories import GOOD_STORY

GUARDED = "checkout/errors_per_minute"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Three days of a made-up world in which a good replay was handed in at the beginning."""
    folder = tmp_path_factory.mktemp("rollouts")
    record(folder / "world.wkr", GOOD_STORY, 7, days=3, labels=False)
    begun = CapabilityReplayed(
        at_us=GOOD_STORY.start_us,
        capability="restart-unhealthy@4",
        recording="aa",
        journal_hash="bb",
        policy_hash="cc",
        decisions=500,
        allowed=500,
        failed=0,
        unsafe=0,
        from_us=0,
        until_us=1,
        by="ada",
    )
    with RecordingWriter(folder / "begun.wkr", Header(source="world", origin=Origin(name="w"))) as out:
        out.write(begun)
        for _, fact in Recording(folder / "world.wkr").facts():
            out.write(fact)
    return Recording(folder / "begun.wkr")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The shipped policy, impatient, with a guardrail that goes bad."""
    config = tmp_path_factory.mktemp("config") / "config"
    shutil.copytree(SHIPPED_CONFIG, config)
    (config / "policies" / "rollouts.yaml").write_text(
        "established: [restart-unhealthy@3]\n"
        "plan:\n"
        "  automatic: true\n"
        "  shadow: {days: 1.0, episodes: 20, agreement: 0.5}\n"
        f"  guardrails: [{{series: {GUARDED}, above: 0.0, share: 0.01}}]\n"
    )
    return read_policy(config / "policies")


@pytest.fixture(scope="module")
def live(recording, source):
    """What the live engine's own loop comes to: its steps, and its state."""
    journal = MemoryJournal()
    state = replay_into(journal, recording, source)
    steps = [fact for record in journal.read() if isinstance(fact := fact_of(record), StageChanged)]
    return steps, state


def test_a_guardrail_ends_a_rollout_in_the_loop(live):
    steps, _ = live
    assert [step.now for step in steps] == ["replayed", "shadow", "canary_1", "rolled_back"]
    assert f"guardrail {GUARDED}" in steps[-1].reason


@pytest.mark.parametrize("shards", [1, 2])
def test_a_replay_takes_the_same_steps_however_many_share_it(recording, source, live, shards):
    end = Replay(recording, [source], shards=shards).run()
    (track,) = end.tracks
    rolled_back = track.state.rollouts.candidates["restart-unhealthy"]
    assert (rolled_back.stage, rolled_back.since_us) == ("rolled_back", live[0][-1].at_us)
    assert track.state_hash == live[1]
