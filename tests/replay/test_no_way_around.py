"""What a recording, or a careless caller, could try so that other bytes or milder verdicts come out."""

from decimal import Decimal

import msgspec
import pytest

from engine.adapters.journal_memory import MemoryJournal
from engine.core.decide import decide
from engine.core.evolve import evolve
from engine.core.state import State
from engine.core.vocabulary.facts import (
    KillSwitchSet,
    MessageObserved,
    MetricObserved,
    PolicyAdopted,
    ProposalReceived,
    Scope,
)
from engine.core.vocabulary.proposals import Impact
from engine.errors import InputError, JournalError, RecordingError
from engine.runtime.loop import Loop
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator.recording import Header, Origin, Recording, RecordingWriter
from simulator.recording import writer as writing
from simulator.replay.driver import Replay
from simulator.replay.results import Results, Run
from tests.builders import NOON_US, proposal, shipped


def recorded(path, facts):
    with RecordingWriter(path, Header(source="test", origin=Origin(name="test"))) as out:
        for fact in facts:
            out.write(fact)
    return Recording(path)


def mail(number: int, **values):
    args = {"to": ["eve@evil.org"], "subject": "s", "body": "b"}
    asked = proposal("email.send", args, proposal_id=f"p-{number}", **values)
    return ProposalReceived(at_us=NOON_US + number, proposal=asked)


def hashes(recording, shards):
    (track,) = Replay(recording, [read_policy(SHIPPED_POLICY)], shards=shards).run().tracks
    return track.journal_hash, track.state_hash


@pytest.mark.parametrize("message_after", [0, 20])
def test_text_outside_any_episode_vouches_for_nobody_and_accuses_nobody(tmp_path, message_after):
    said = MessageObserved(at_us=NOON_US + message_after, episode="", source="tool", text="eve@evil.org")
    facts = sorted([said, *(mail(number) for number in range(40))], key=lambda fact: fact.at_us)
    recording = recorded(tmp_path / "r.wkr", facts)
    assert len({hashes(recording, shards) for shards in (1, 2, 4)}) == 1
    loop = Loop(shipped(), MemoryJournal())
    loop.adopt(NOON_US)
    decided = loop.feed([(str(place), fact) for place, fact in enumerate(facts)])
    words = {verdict.verdict.word for one in decided for verdict in one.facts}
    assert words == {"allow"}


def test_a_recorded_adoption_cannot_take_the_limits_away(tmp_path):
    forged = PolicyAdopted(
        at_us=NOON_US,
        policy_hash=shipped().policy_hash,
        limits=(),
        breaker=shipped().breaker,
        hold_us=1,
        episode_idle_us=1,
    )
    dear = [
        ProposalReceived(
            at_us=NOON_US + n, proposal=proposal(proposal_id=f"p-{n}", impact=Impact(cost_usd=Decimal(9)))
        )
        for n in range(5)
    ]
    loop = Loop(shipped(), MemoryJournal())
    loop.adopt(NOON_US)
    with pytest.raises(InputError, match="only the engine itself"):
        loop.feed([("forged", forged)])
    recording = recorded(tmp_path / "r.wkr", [forged, *dear])
    with pytest.raises(RecordingError, match="fact 1 is one that only the engine may state"):
        Replay(recording, [read_policy(SHIPPED_POLICY)]).run()


def test_state_that_counts_by_other_limits_holds_everything():
    forged = msgspec.structs.replace(shipped().adopted(NOON_US), limits=())
    state = evolve(State(), forged)
    (fact,) = decide(shipped(), state, mail(1)).facts
    assert (fact.verdict.word, fact.verdict.answers[2].rule) == ("hold", "limits.adopted")


@pytest.mark.parametrize("cost", ["-0", "-0.00", "-1"])
def test_a_signed_cost_is_refused(cost):
    with pytest.raises(ValueError, match="cost_usd must be from 0"):
        Impact(cost_usd=Decimal(cost))


def test_facts_out_of_order_are_refused_before_anything_is_decided(tmp_path):
    facts = [MetricObserved(at_us=at_us, series="s", value=1.0) for at_us in (5, 3)]
    with pytest.raises(RecordingError, match="order of time"):
        Replay(recorded(tmp_path / "r.wkr", facts), [read_policy(SHIPPED_POLICY)])


@pytest.mark.parametrize(
    "fact",
    [
        MessageObserved(at_us=NOON_US, episode="e-1", source="tool", text="eve@evil.org"),
        MetricObserved(at_us=NOON_US, series="web/cpu", value=1.0),
    ],
)
def test_a_fact_in_a_lane_that_is_not_its_own_is_refused(tmp_path, monkeypatch, fact):
    right = writing.lane_of
    monkeypatch.setattr(writing, "lane_of", lambda given: (right(given) + 1) % 8)
    recording = recorded(tmp_path / "r.wkr", [fact])
    with pytest.raises(RecordingError, match="a lane that is not theirs"):
        Replay(recording, [read_policy(SHIPPED_POLICY)]).run()


def test_a_key_of_another_fact_is_refused_and_nothing_is_swallowed():
    loop = Loop(shipped(), MemoryJournal())
    loop.adopt(NOON_US)
    metric = MetricObserved(at_us=NOON_US, series="s", value=1.0)
    stop = KillSwitchSet(at_us=NOON_US + 1, scope=Scope("all"), by="ann")
    loop.feed([("k", metric)])
    for batch in ([("k", stop)], [("other", metric), ("other", stop)]):
        with pytest.raises(JournalError, match="belongs to another fact"):
            loop.feed(batch)


def test_a_repeated_proposal_with_other_arguments_is_refused():
    loop = Loop(shipped(), MemoryJournal())
    loop.adopt(NOON_US)
    loop.feed([("a", mail(1))])
    changed = proposal("email.send", {"to": [], "subject": "", "body": ""}, proposal_id="p-1")
    with pytest.raises(JournalError, match="proposal:p-1"):
        loop.feed([("a", ProposalReceived(at_us=NOON_US + 1, proposal=changed))])


def test_two_replays_do_not_write_one_results_file(tmp_path):
    run = Run(
        recording="r",
        content_sha256="",
        source="s",
        policies=[],
        policy_hashes=[],
        from_us=None,
        until_us=None,
    )
    first = Results(tmp_path / "r.sqlite", run, resume=False)
    with pytest.raises(InputError, match="another replay is writing this file"):
        Results(tmp_path / "r.sqlite", run, resume=False)
    first.discard()
    assert list(tmp_path.iterdir()) == []
