"""A failsafe that did not work wakes somebody, once."""

import pytest

from engine.adapters.announcements import Announcements
from engine.core.vocabulary import escalation_facts as e
from engine.errors import Unreachable
from notifiers.broken_failsafes import BrokenFailsafes
from tests.escalations.test_waking import awake
from tests.live.test_holds import facts

pytestmark = pytest.mark.asyncio


async def test_what_the_supervisor_says_of_a_broken_failsafe_wakes_somebody_once(tmp_path):
    said = Announcements(tmp_path / "said.jsonl")
    async with awake(tmp_path) as it:
        hearing = BrokenFailsafes(said, it.client)
        said.announce("stopped", "ada stopped all", urgent=True)
        said.announce("failsafe", "a sweep failed: OSError", urgent=True)
        await hearing.look()
        await hearing.look()
        said.announce("failsafe", "a sweep failed: again", urgent=True)
        await hearing.look()
    (raised,) = facts(tmp_path, e.EscalationRaised)
    assert (raised.kind, raised.severity, raised.evidence) == (
        "failsafe",
        "critical",
        ("a sweep failed: OSError",),
    )
    assert len(facts(tmp_path, e.EscalationJoined)) == 1


async def test_what_could_not_be_raised_is_raised_by_the_next_look(tmp_path):
    class Away:
        async def ask(self, request, **_given):
            raise Unreachable("no engine")

    said = Announcements(tmp_path / "said.jsonl")
    said.announce("failsafe", "the snapshot failed: the disk is full", urgent=True)
    async with awake(tmp_path) as it:
        hearing = BrokenFailsafes(said, Away())
        await hearing.look()
        hearing._engine = it.client
        await hearing.look()
    assert len(facts(tmp_path, e.EscalationRaised)) == 1


async def test_what_was_said_long_ago_wakes_nobody_now(tmp_path):
    said = Announcements(tmp_path / "said.jsonl")
    said.announce("failsafe", "the snapshot failed", urgent=True)
    async with awake(tmp_path) as it:
        later = BrokenFailsafes(said, it.client, lambda: said.recent(1)[0].at_us + 61_000_000)
        await later.look()
    assert facts(tmp_path, e.EscalationRaised) == []
