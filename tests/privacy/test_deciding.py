"""A live engine that is sent what it must not keep: what it answers, journals, and decides in a replay."""

import asyncio

import pytest

from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.scrubber import LONG
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.privacy import Found, PrivacySettings, Treated
from engine.errors import InputError
from engine.runtime import wire
from engine.runtime.loop import Loop
from tests.builders import changed
from tests.live.engines import ONCE, engine, performing
from tests.live.test_holds import facts, hold
from tests.privacy.planting import Planter

pytestmark = pytest.mark.asyncio
SECRET = Planter(21).name()


def everything_in(home):
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


async def test_a_secret_in_an_argument_is_denied_and_the_denial_is_in_the_journal(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it, it.working():
        decided = await it.propose(args={"service": SECRET})
        assert (decided.verdict.word, decided.status) == ("deny", "denied")
        (answer,) = [each for each in decided.verdict.answers if each.gate == "privacy"]
        assert "args.service" in answer.reason
        assert await it.propose(args={"service": SECRET}) == decided, "sent again, it finds the same decision"
        clean = await it.propose(2, args={"service": "web"})
        assert "privacy" not in {each.gate for each in clean.verdict.answers}
    assert it.runner.performed in ([], ["web"])
    (verdict, _) = facts(tmp_path, f.VerdictReached)
    assert verdict.verdict == decided.verdict
    assert SECRET.encode() not in everything_in(tmp_path)


async def test_the_loop_goes_on_while_a_long_text_is_looked_through(tmp_path):
    async with engine(tmp_path) as it:
        long = "lines of a log, password=hunter2x and more\n" * (LONG // 10)
        asked = asyncio.create_task(it.propose(rationale=long, args={"service": "web"}))
        turns = 0
        while not asked.done():
            await asyncio.sleep(0)
            turns += 1
        await asked
        assert turns > 10
    assert b"hunter2x" not in everything_in(tmp_path)


async def test_only_the_engine_says_what_was_found(tmp_path):
    async with engine(tmp_path) as it:
        for found in ((Found("email", "email", "args.to", False),), ()):
            with pytest.raises(InputError, match="for the engine to say"):
                await it.propose(found=found)
    assert facts(tmp_path, f.ProposalReceived) == []


async def test_what_a_person_changes_is_looked_through_too(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        ask = wire.ChangeHold(
            decision_id=decision_id("p-1"),
            by="ann",
            role="responder",
            texts={"service": SECRET},
            reason=SECRET,
        )
        said = await it.ask(ask)
        assert not said.counted
    assert SECRET.encode() not in everything_in(tmp_path)


async def test_what_people_are_told_holds_no_secret(tmp_path):
    async with engine(tmp_path) as it:
        await it.ask(wire.SetStop(scope=f.Scope("all"), by="ray", reason=f"it printed {SECRET}"))
        assert it.told.said
        assert all(SECRET not in text for _, text in it.told.said)
        assert SECRET not in (await it.ask(wire.GetStatus())).stops[0].reason


async def test_a_replay_decides_the_same_without_looking(tmp_path):
    policy = performing(cache_clear=ONCE)
    async with engine(tmp_path, policy) as it:
        await it.propose(1, args={"service": SECRET})
        await it.propose(2, args={"service": "web for ada@example.com"}, rationale=SECRET)
        told = [f.decode(record.body) for record in it.live.intake.journal.read(after=0)]
        policy = it.live.intake._policy
    verdicts = [fact.verdict for fact in told if isinstance(fact, f.VerdictReached)]
    asked = [fact for fact in told if isinstance(fact, f.ProposalReceived)]

    def again(policy):
        loop = Loop(policy, MemoryJournal())
        loop.adopt(told[0].at_us)
        decided = loop.feed([("", fact) for fact in asked])
        return [each.facts[0].verdict for each in decided]

    assert again(policy) == verdicts
    never = Treated(arguments="refuse", text="redact", messages="redact", outputs="redact")
    stricter = again(changed(policy, privacy=PrivacySettings(email=never)))
    assert [verdict.word for verdict in stricter] == ["deny", "deny"]
