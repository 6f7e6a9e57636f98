"""Completing: what is offered while somebody types, to whom, and how fast it gives up."""

import pytest

from engine.adapters.fence_memory import MemoryFence
from engine.commands.catalogue import LANGUAGE
from engine.commands.completing import KINDS, LONGEST, MOST, matching
from engine.commands.model import Account
from tests.commands.desks import STRANGER, at_desk, desk_alone

RAY = Account(front="discord", account_id="discord-ray", name="ray")


def test_every_kind_that_an_argument_names_can_be_completed():
    named = {each.complete for kind in LANGUAGE.commands for each in kind.arguments() if each.complete}
    assert named == KINDS


def test_what_begins_so_comes_before_what_only_has_it_in_it():
    assert matching(["self-heal", "heal", "trade"], "HE") == ["heal", "self-heal"]


def test_no_more_and_nothing_longer_is_offered_than_any_platform_takes():
    assert len(matching([str(number) for number in range(100)], "")) == MOST
    assert matching(["a" * (LONGEST + 1), "a" * LONGEST], "a") == ["a" * LONGEST]


@pytest.mark.asyncio
async def test_decisions_agents_and_scopes_are_offered(tmp_path):
    async with at_desk(tmp_path) as given:
        decided = await given.engine.propose()
        verdict = decided.verdict
        assert await given.desk.offer("decision", "d_", RAY) == [verdict.decision_id]
        assert await given.desk.offer("agent", "", RAY) == [verdict.agent]
        assert await given.desk.offer("scope", "agent:", RAY) == [f"agent:{verdict.agent}"]
        assert await given.desk.offer("version", "", RAY) == ["heal@1"]
        assert await given.desk.offer("capability", "", RAY) == ["heal"]


@pytest.mark.asyncio
async def test_stops_people_and_commands_are_offered(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("ray", "/kill-autonomous agent:coder-1 it loops")
        assert await given.desk.offer("stop", "", RAY) == ["agent:coder-1"]
        assert await given.desk.offer("person", "c", RAY) == ["cat", "cleo", "vic"]
        assert "canary promote" in await given.desk.offer("command", "/canary", RAY)


@pytest.mark.asyncio
async def test_strangers_are_offered_nothing(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.engine.propose()
        assert await given.desk.offer("decision", "", STRANGER) == []
        assert await given.desk.offer("person", "", STRANGER) == []


@pytest.mark.asyncio
async def test_with_the_engine_away_a_stop_of_all_is_still_offered(tmp_path):
    async with desk_alone(tmp_path, MemoryFence()) as given:
        assert await given.desk.offer("scope", "", RAY) == ["all"]
        assert await given.desk.offer("agent", "", RAY) == []
