"""The loop: what it journals it can restore, and what it has seen it does not do twice."""

import pytest

from engine.adapters.journal_memory import MemoryJournal
from engine.core.evolve import evolve
from engine.core.policy import Policy
from engine.core.state import decode_state, encode_state, state_hash
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import (
    CapabilityDemoted,
    CapabilityPromoted,
    KillSwitchSet,
    MetricObserved,
    ProposalReceived,
    Scope,
    VerdictReached,
    decode,
)
from engine.core.vocabulary.rollouts import RolloutSettings
from engine.errors import ChainBroken, InputError, JournalError
from engine.ports import Snapshot
from engine.runtime.loop import Loop, fact_of, restore
from tests.builders import NOON_US, changed, performing, promoted, proposal, shipped


def asked(number: int, at_us: int = NOON_US) -> tuple[str, ProposalReceived]:
    return f"a-{number}", ProposalReceived(at_us=at_us + number, proposal=proposal(proposal_id=f"p-{number}"))


def running(journal: MemoryJournal, *numbers: int, policy: Policy | None = None) -> Loop:
    """A loop on which `heal@1` is live: by a history or, where effects are performed, by the policy."""
    if policy is not None:
        policy = changed(policy, rollouts=RolloutSettings(established=("heal@1",)))
    loop = Loop(policy or shipped(), journal, performing=policy is not None)
    loop.adopt(NOON_US)
    history = [("promoted", promoted(at_us=NOON_US))] if policy is None else []
    loop.feed([*history, *(asked(number) for number in numbers)])
    return loop


@pytest.mark.parametrize(
    "told",
    [
        CapabilityPromoted(at_us=NOON_US, capability="heal@2", by="ann"),
        CapabilityDemoted(at_us=NOON_US, capability="heal", by="ann"),
    ],
)
def test_nobody_gains_or_loses_authority_in_a_live_engine_by_word_alone(told):
    journal = MemoryJournal()
    loop = running(journal, policy=performing("cache.clear"))
    head, before = journal.head(), encode_state(loop.state)
    with pytest.raises(InputError, match="evidence decides"):
        loop.feed([("told", told)])
    assert (journal.head(), encode_state(loop.state)) == (head, before)


def test_every_proposal_is_journaled_with_its_verdict():
    journal = MemoryJournal()
    running(journal, 1, 2)
    kinds = [type(decode(record.body)).__name__ for record in journal.read()]
    assert kinds == [
        "PolicyAdopted",
        "CapabilityPromoted",
        "ProposalReceived",
        "VerdictReached",
        "ProposalReceived",
        "VerdictReached",
    ]


def test_a_live_capability_gets_its_effect_once():
    journal = MemoryJournal()
    loop = running(journal, policy=performing("cache.clear"))
    first, again = loop.feed([asked(1), asked(1)])
    assert [type(effect).__name__ for effect in first.effects] == ["PerformAction"]
    assert [task.action for task in journal.tasks.all()] == ["cache.clear"]
    assert (again.facts, again.effects) == ((), ())
    assert loop.feed([asked(1)])[0].effects == ()


def test_a_repeated_fact_leaves_state_and_journal_as_they_are():
    journal = MemoryJournal()
    loop = running(journal, 1, 2)
    before, head = encode_state(loop.state), journal.head()
    loop.feed([asked(2), ("promoted", promoted(at_us=NOON_US))])
    assert encode_state(loop.state) == before
    assert journal.head() == head


def test_adopting_the_same_policy_again_journals_nothing():
    journal = MemoryJournal()
    loop = running(journal)
    head = journal.head()
    loop.adopt(NOON_US + 5)
    assert journal.head() == head
    Loop(changed(policy_hash="f" * 64), journal).adopt(NOON_US + 6)
    assert journal.head().seq == head.seq + 1


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_a_new_loop_restores_what_the_old_one_knew(with_snapshot):
    journal = MemoryJournal()
    loop = running(journal, *range(20))
    if with_snapshot:
        loop.snapshot()
    loop.feed([asked(n) for n in range(20, 30)])
    restored = Loop(shipped(), journal)
    assert state_hash(restored.state) == state_hash(loop.state)
    assert bool(restored.restored_from) == with_snapshot
    assert restored.state.policy_hash == shipped().policy_hash


def test_a_snapshot_the_chain_does_not_vouch_for_is_passed_over():
    journal = MemoryJournal()
    loop = running(journal, 1, 2, 3)
    loop.snapshot()
    honest = state_hash(loop.state)
    forged = evolve(decode_state(encode_state(loop.state)), promoted("evil@1", at_us=NOON_US))
    head = journal.head()
    journal.save_snapshot(Snapshot(seq=head.seq, chain_hash=head.hash, state=encode_state(forged)))
    state, start = restore(journal)
    assert (state_hash(state), start) == (honest, 0)


def test_a_snapshot_of_another_version_of_state_is_passed_over():
    class Altered(MemoryJournal):
        def latest_snapshot(self) -> Snapshot | None:
            kept = super().latest_snapshot()
            return kept and Snapshot(seq=kept.seq, chain_hash=kept.chain_hash, state=b'{"now_us":1}')

    journal = Altered()
    loop = running(journal, 1)
    loop.snapshot()
    assert restore(journal)[1] == 0
    assert state_hash(restore(journal)[0]) == state_hash(loop.state)


def test_a_tail_that_does_not_follow_stops_the_start():
    class Altered(MemoryJournal):
        def read(self, *, after: int = 0, until: int | None = None):
            for record in super().read(after=after, until=until):
                body = record.body.replace(b"coder-1", b"coder-2")
                yield Record(record.seq, record.key, body, record.prev, record.hash)

    journal = Altered()
    running(journal, 1)
    with pytest.raises(ChainBroken, match=r"record \d+ does not follow"):
        Loop(shipped(), journal)


def test_a_fact_of_another_version_is_named():
    record = Record(7, "k", b'{"fact":"rocket_launched","at_us":1}', bytes(32), bytes(32))
    with pytest.raises(JournalError, match=r"record 7 cannot be read: .*rocket_launched"):
        fact_of(record)


def test_what_is_decided_is_what_was_written():
    # The keys of arguments are sorted when a fact is written: a replay sees them in that order.
    tangled = proposal(args={"z": 1, "a": 2})
    decided = Loop(shipped(), MemoryJournal()).feed([("k", ProposalReceived(at_us=1, proposal=tangled))])
    (verdict,) = decided[0].facts
    assert isinstance(verdict, VerdictReached)
    reason = verdict.verdict.assessment.answers[0].reason
    assert reason.index("a:") < reason.index("z:")


def test_a_stop_holds_for_everything_after_it_in_the_same_batch():
    loop = running(MemoryJournal())
    stop = ("stop", KillSwitchSet(at_us=NOON_US + 1, scope=Scope("all"), by="ann"))
    before, _, after = loop.feed([asked(0), stop, asked(2)])
    words = [decided.facts[0].verdict.word for decided in (before, after)]
    assert words == ["allow", "deny"]


def test_telemetry_leaves_decisions_alone_and_state_richer():
    loop = running(MemoryJournal())
    loop.feed([("m", MetricObserved(at_us=NOON_US, series="web/cpu", value=3.5))])
    assert loop.state.signals.by_series["web/cpu"].last == 3.5
    assert not loop.state.holds.by_id
