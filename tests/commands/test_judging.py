"""Ratings and calibration, from the desk."""

import pytest

from engine.core.vocabulary.facts import DecisionRated, decode
from engine.core.vocabulary.ids import decision_id
from engine.runtime import wire
from tests.commands.desks import at_desk
from tests.live.engines import asked


async def decided(given, number, *, ok, confidence=0.9):
    """Have one decision made that the agent does itself, and say what came of it."""
    wanted = asked(number, action="service.restart", confidence=confidence)
    await given.engine.client.ask(wire.Propose(proposal=wanted))
    if ok is not None:
        report = wire.ReportOutcome(proposal_id=wanted.proposal_id, agent=wanted.agent, ok=ok)
        await given.engine.client.ask(report)
    return decision_id(wanted.proposal_id)


def rated(given):
    facts = [decode(record.body) for record in given.desk.tools.journal().read(after=0)]
    return [fact for fact in facts if isinstance(fact, DecisionRated)]


@pytest.mark.asyncio
async def test_a_rating_is_journaled_with_what_was_claimed_and_shown_on_the_card(tmp_path):
    async with at_desk(tmp_path) as given:
        decision = await decided(given, 1, ok=True)
        reply = await given.say("ray", f"rate {decision} wrong it hung again")
        assert reply.title == "ray rated it wrong"
        (fact,) = rated(given)
        assert (fact.rating, fact.by, fact.reason, fact.confidence) == ("wrong", "ray", "it hung again", 0.9)
        explained = await given.say("vic", f"explain {decision}")
        assert "ray rated it wrong: “it hung again”" in explained.text


@pytest.mark.asyncio
async def test_what_still_waits_cannot_be_rated(tmp_path):
    async with at_desk(tmp_path) as given:
        decision = await decided(given, 1, ok=None, confidence=0.2)
        reply = await given.say("ray", f"rate {decision} useful")
        assert reply.outcome == "refused"
        assert "it cannot be rated yet: it is held" in reply.text + reply.title
        assert rated(given) == []


@pytest.mark.asyncio
async def test_a_viewer_rates_nothing(tmp_path):
    async with at_desk(tmp_path) as given:
        decision = await decided(given, 1, ok=True)
        assert (await given.say("vic", f"rate {decision} useful")).outcome == "forbidden"


@pytest.mark.asyncio
async def test_calibration_shows_every_capability_and_one_tenth_by_tenth(tmp_path):
    async with at_desk(tmp_path) as given:
        assert "has an outcome yet" in (await given.say("vic", "calibration")).title
        for number in range(1, 6):
            decision = await decided(given, number, ok=number % 2 == 0)
        await given.say("ray", f"rate {decision} useful")
        everything = await given.say("vic", "calibration")
        assert everything.table.rows[0][:4] == ("heal@1", "5", "3", "1")
        one = await given.say("vic", "calibration heal@1")
        assert await given.say("vic", "calibration heal") == one
        assert one.table.rows == (("90% to 100%", "5", "90%", "60%", "23% to 88%"),)
        assert "Brier score 0.330 = reliability 0.090" in one.text
        assert "Known: heal@1" in (await given.say("vic", "calibration nosuch@1")).text
