"""The same facts under the same policy give the same bytes, however a replay is cut and shared out."""

import signal

import pytest

from engine.wiring import SHIPPED_POLICY
from simulator.recording import Recording
from tests.determinism import gate, histories
from tests.report.replays import another_policy

GROUPS = -(-len(histories.facts()) // histories.GROUP_FACTS)


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """A policy that decides many of them otherwise."""
    return another_policy(
        tmp_path_factory.mktemp("other") / "config",
        ("thresholds.yaml", "below_confidence: 0.7", "below_confidence: 0.95"),
        ("limits.yaml", "most: 10\n", "most: 2\n"),
        ("thresholds.yaml", "episode_idle_s: 86400", "episode_idle_s: 600"),
    )


def test_the_recording_holds_every_kind_of_fact(recording):
    footer = Recording(recording).footer
    assert {*footer.kinds} == {str(kind.__struct_config__.tag) for kind in histories.RECORDED}
    assert len(footer.group_sizes) == GROUPS > 5


@pytest.mark.parametrize("way", ["2 shards", "4 shards", "without results", "resumed after every group"])
def test_the_way_does_not_show(recording, plain, way):
    assert gate.complaints({"1 shard": plain} | gate.prints(recording, [way])) == []


@pytest.mark.parametrize("stop_after", range(1, GROUPS))
def test_stopped_after_any_group_and_resumed(recording, plain, stop_after, tmp_path):
    results = tmp_path / "results.sqlite"
    assert not gate.replay(recording, results=results, stop_after=stop_after).finished
    assert gate.printed(gate.replay(recording, results=results, resume=True), results) == plain


@pytest.mark.long
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 4)])
def test_resumed_with_another_number_of_shards(recording, plain, before, after, tmp_path):
    results = tmp_path / "results.sqlite"
    assert not gate.replay(recording, results=results, shards=before, stop_after=3).finished
    assert gate.printed(gate.replay(recording, results=results, resume=True, shards=after), results) == plain


@pytest.mark.long
@pytest.mark.parametrize(("shards", "groups"), [(1, 1), (1, 7), (2, 4)])
def test_killed_between_two_commits_and_resumed(recording, plain, run_gate, shards, groups, tmp_path):
    results = tmp_path / "results.sqlite"
    killed = run_gate(recording, "--die-after", groups, "--results", results, "--shards", shards)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not results.exists()
    assert gate.printed(gate.replay(recording, results=results, resume=True), results) == plain


def test_two_policies_in_one_pass_are_each_as_if_alone(recording, plain, other, tmp_path):
    both = gate.replay(recording, SHIPPED_POLICY, other, results=tmp_path / "both.sqlite")
    alone = gate.prints(recording, ["1 shard"], other)["1 shard"]
    assert plain != alone
    assert gate.printed(both, tmp_path / "both.sqlite", track=0) == plain
    assert gate.printed(both, tmp_path / "both.sqlite", track=1) == alone


@pytest.mark.long
def test_two_policies_stopped_and_sharded_are_each_as_if_alone(recording, plain, other, tmp_path):
    results = tmp_path / "both.sqlite"
    gate.replay(recording, SHIPPED_POLICY, other, results=results, stop_after=4)
    both = gate.replay(recording, SHIPPED_POLICY, other, results=results, resume=True, shards=2)
    alone = gate.prints(recording, ["1 shard"], other)["1 shard"]
    assert gate.printed(both, results, track=0) == plain
    assert gate.printed(both, results, track=1) == alone


def test_the_size_of_groups_does_not_show_in_verdicts_and_state(recording, plain, tmp_path):
    whole = histories.record(tmp_path / "whole.wkr", group_facts=16_384)
    found = gate.prints(whole, ["1 shard"])["1 shard"]
    assert (found["state"], found["verdicts"]) == (plain["state"], plain["verdicts"])
