"""Completion: what is offered fits what was typed, and nobody waits for an engine that is away."""

import pytest

from engine.adapters.fence_memory import MemoryFence
from engine.commands.catalogue import LANGUAGE
from engine.commands.completing import Completions
from engine.commands.model import Account
from tests.commands.desks import STRANGER, at_desk, desk_alone

pytestmark = pytest.mark.asyncio


async def test_commands_are_offered_by_what_they_begin_with(tmp_path):
    async with at_desk(tmp_path) as given:
        offered = await Completions(given.desk.tools).line("/canary p")
        assert offered == ["/canary promote", "/canary pause"]


async def test_choices_are_offered(tmp_path):
    async with at_desk(tmp_path) as given:
        assert await Completions(given.desk.tools).line("/decisions a") == ["all", "allow"]


async def test_decisions_are_offered_the_newest_first(tmp_path):
    async with at_desk(tmp_path) as given:
        made = [(await given.engine.propose(number)).verdict.decision_id for number in (1, 2, 3)]
        assert await Completions(given.desk.tools).line("/explain ") == made[::-1]


async def test_stops_are_offered_with_the_engine_away(tmp_path):
    fence = MemoryFence()
    async with desk_alone(tmp_path, fence) as given:
        await given.say("ray", "/kill-autonomous agent:coder-1")
        offered = Completions(given.desk.tools)
        assert await offered.complete("stop", "") == ["agent:coder-1"]
        assert await offered.complete("agent", "c") == []


async def test_what_begins_so_comes_before_what_merely_holds_it(tmp_path):
    async with at_desk(tmp_path) as given:
        offered = await Completions(given.desk.tools).complete("command", "re")
        begin = [each.startswith("re") for each in offered]
        assert begin == sorted(begin, reverse=True)
        assert {"replay start", "restore", "shadow report"} <= set(offered)


async def test_every_kind_that_an_argument_names_can_be_completed(tmp_path):
    named = {each.complete for kind in LANGUAGE.commands for each in kind.arguments() if each.complete}
    async with at_desk(tmp_path) as given:
        assert named == set(Completions(given.desk.tools)._by_kind)


async def test_with_the_engine_away_a_stop_of_all_is_still_offered(tmp_path):
    async with desk_alone(tmp_path, MemoryFence()) as given:
        assert await Completions(given.desk.tools).complete("scope", "") == ["all"]


async def test_strangers_are_offered_nothing_but_what_help_shows(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.engine.propose()
        ray = Account(front="discord", account_id="discord-ray", name="ray")
        assert len(await given.desk.offer("decision", "", ray)) == 1
        assert await given.desk.offer("decision", "", STRANGER) == []
        assert await given.desk.offer("person", "", STRANGER) == []
        assert "status" in await given.desk.offer("command", "stat", STRANGER)
