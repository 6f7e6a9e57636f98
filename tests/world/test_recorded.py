"""A recording of the made-up world: the same bytes from the same seed, and the truth in its labels."""

import hashlib
import os
import subprocess
import sys

import pytest
from msgspec import structs

from engine.adapters.journal_memory import MemoryJournal
from engine.core.vocabulary.facts import (
    EpisodeClosed,
    IncumbentActed,
    OutcomeReported,
    ProposalReceived,
    VerdictReached,
)
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator.recording import Recording
from simulator.recording.format import to_line
from simulator.replay.journalled import replay_into
from simulator.world.characters import GOOD, HARMFUL
from simulator.world.policies import policy_for
from simulator.world.recorded import record
from simulator.world.stories import BOTH_STORY, GOOD_STORY, before, cast
from tests.house.tree import ROOT
from tests.world.worlds import busier, facts_in

DAYS = 2
PINNED = "1f92c681df4b632e4895991d3fadfa044c1b82fe51f3941759618eed27464a62"
"""Of all facts and labels of two days. It is the same on every machine and Python."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "world.wkr"
    return path, record(path, BOTH_STORY, 7, days=DAYS)


def test_the_same_seed_gives_the_same_bytes(recorded, tmp_path):
    path, books = recorded
    assert record(tmp_path / "again.wkr", BOTH_STORY, 7, days=DAYS) == books
    assert (tmp_path / "again.wkr").read_bytes() == path.read_bytes()


def test_another_seed_gives_others(recorded, tmp_path):
    record(tmp_path / "other.wkr", BOTH_STORY, 8, days=DAYS)
    assert Recording(tmp_path / "other.wkr").footer.content_sha256 != content(recorded[0])


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_the_hash_seed_does_not_show(recorded, tmp_path, seed):
    code = (
        "from simulator.world.recorded import record; from simulator.world.stories import BOTH_STORY; "
        f"record({str(tmp_path / 'other.wkr')!r}, BOTH_STORY, 7, days={DAYS})"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, check=True
    )
    assert (tmp_path / "other.wkr").read_bytes() == recorded[0].read_bytes()


def content(path):
    return Recording(path).footer.content_sha256


def test_the_world_is_the_one_it_was(recorded):
    path, _ = recorded
    labels = b"".join(to_line(label) for label in Recording(path).labels())
    found = hashlib.sha256(content(path).encode() + labels).hexdigest()
    assert found == PINNED, "meant? then write down this hash, and say in the CHANGELOG what changed"


def test_nobody_decides_and_candidates_never_act(recorded):
    path, books = recorded
    facts = [fact for _, fact in Recording(path).facts()]
    assert not any(isinstance(fact, VerdictReached) for fact in facts)
    assert {truth.actor for truth in books.truths} == {"incumbent", "people"}
    told = [fact for fact in facts if isinstance(fact, OutcomeReported)]
    assert {fact.capability for fact in told if fact.by == "executor"} == {"restart-unhealthy@3"}
    assert {fact.capability for fact in told if fact.by == "incumbent"} == {
        "restart-unhealthy@4",
        "scale-busy@1",
    }


def test_people_act_in_each_episode_of_theirs_and_each_episode_is_closed(recorded):
    path, books = recorded
    facts = [fact for _, fact in Recording(path).facts()]
    deeds = {fact.episode for fact in facts if isinstance(fact, IncumbentActed)}
    assert deeds == {truth.episode for truth in books.truths if truth.actor == "people"}
    closed = {fact.episode for fact in facts if isinstance(fact, EpisodeClosed)}
    assert closed == {truth.episode for truth in books.truths}


def test_facts_are_in_order_of_time(recorded):
    assert Recording(recorded[0]).footer.in_time_order


def test_every_proposal_that_came_to_an_end_has_its_label(recorded):
    path, books = recorded
    labels = {label.proposal_id: label for label in Recording(path).labels()}
    ended = {truth.episode for truth in books.truths}
    proposals = [fact.proposal for _, fact in Recording(path).facts() if isinstance(fact, ProposalReceived)]
    assert {*labels} == {each.proposal_id for each in proposals if each.episode in ended}


def test_labels_are_the_truth_that_nobody_saw(tmp_path):
    story = busier(GOOD_STORY, 0.1)
    record(tmp_path / "good.wkr", cast(story, structs.replace(GOOD, times=1.0)), 7, days=DAYS)
    assert not any(label.unsafe for label in Recording(tmp_path / "good.wkr").labels())
    books = record(tmp_path / "harmful.wkr", cast(story, HARMFUL), 7, days=DAYS)
    unsafe = {
        label.episode: label.proposal_id
        for label in Recording(tmp_path / "harmful.wkr").labels()
        if label.unsafe
    }
    expected = {one.episode for one in books.truths if one.candidate_failed and not one.incumbent_failed}
    assert {*unsafe} == expected
    assert len(unsafe) > 0.3 * len(books.truths)
    assert all(proposal.endswith(":restart-unhealthy@4") for proposal in unsafe.values())


def test_the_weeks_before_a_story_end_where_it_begins(tmp_path):
    earlier = before(BOTH_STORY, 14)
    assert earlier.until_us == BOTH_STORY.start_us
    books = record(tmp_path / "earlier.wkr", earlier, 8, days=1)
    assert all(earlier.start_us <= truth.at_us < BOTH_STORY.start_us for truth in books.truths)


def test_labels_can_be_left_out(tmp_path):
    record(tmp_path / "blind.wkr", BOTH_STORY, 7, days=1, labels=False)
    assert Recording(tmp_path / "blind.wkr").footer.labels == 0


def test_it_can_be_replayed_and_only_what_was_established_acts(recorded):
    path, books = recorded
    journal = MemoryJournal()
    replay_into(journal, Recording(path), policy_for(BOTH_STORY, read_policy(SHIPPED_POLICY)))
    verdicts = [fact.verdict for fact in facts_in(journal, VerdictReached)]
    assert len(verdicts) == books.proposals
    acting = {one.capability for one in verdicts if one.word == "allow" and not one.shadowed}
    assert acting == {"restart-unhealthy@3"}


def test_a_policy_for_a_story_is_another_policy():
    shipped = read_policy(SHIPPED_POLICY)
    source = policy_for(BOTH_STORY, shipped)
    assert source.settings.rollouts.established == ("restart-unhealthy@3",)
    assert source.policy_hash != shipped.policy_hash
    assert policy_for(BOTH_STORY, source).policy_hash == source.policy_hash
