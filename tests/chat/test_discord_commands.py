"""Commands on Discord: registered from the table, answered in time, and seen by whom they are for."""

import asyncio
import time

import pytest

from bot.discord_app import commands
from bot.discord_app.front import Patience
from engine.adapters.fence_memory import MemoryFence
from engine.commands.catalogue import LANGUAGE
from simulator.fakes.fake_discord.world import EVERYBODY
from tests.chat.discord_stage import SPEC, on_discord, on_stage

pytestmark = pytest.mark.asyncio


def registered(stage):
    return list(stage.fake.world.commands[stage.fake.world.guild].values())


async def test_every_listed_command_is_registered_in_the_server_and_nowhere_else(tmp_path):
    async with on_discord(tmp_path) as stage:
        words = {each.words for each in LANGUAGE.listed()}
        assert {name for one in registered(stage) for name in names(one)} == words
        assert not stage.fake.world.commands[None]


async def test_what_is_sent_is_held_against_discords_own_description(tmp_path):
    # Every test does so where the description is; this one says so where it is not.
    if not SPEC.exists():
        pytest.skip("../shared/specs/discord/openapi.json is not here")
    async with on_discord(tmp_path) as stage:
        await stage.type("vic", "/help")
        assert stage.fake.door._official is not None


def names(command):
    inside = [one for one in command["options"] if one["type"] == commands.SUBCOMMAND]
    return [f"{command['name']} {one['name']}" for one in inside] or [command["name"]]


async def test_commands_are_registered_again_only_when_they_changed(tmp_path):
    async with on_stage(tmp_path) as stage:
        async with stage.front():
            before = registered(stage)
        async with stage.front() as front:
            await stage.until(front._client._registering.done)
            assert registered(stage) == before
        stage.fake.world.commands[stage.fake.world.guild].popitem()
        async with stage.front():
            await stage.until(lambda: len(registered(stage)) == len(before))


async def test_what_only_captains_may_is_hidden_from_who_does_not_manage_the_server(tmp_path):
    async with on_discord(tmp_path) as stage:
        stage.fake.permit(stage.people["vic"], EVERYBODY)
        seen = await stage.fake.complete(stage.people["vic"], "/", channel=stage.room)
        assert {"/status", "/canary", "/kill-autonomous"} <= set(seen)
        assert not {"/captain-override", "/resume-autonomous", "/restore"} & set(seen)


LOOKING = [each.words for each in LANGUAGE.listed() if each.role == "viewer" and not each.changes]


@pytest.mark.parametrize("words", LOOKING)
async def test_everything_that_looks_is_answered_to_whoever_asked_alone(tmp_path, words):
    async with on_discord(tmp_path) as stage:
        decision = (await stage.given.engine.propose()).verdict.decision_id
        kind = LANGUAGE.by_words[words]
        given = {"decision_id": decision, "capability": "heal", "job": "r1"}
        line = " ".join([f"/{words}", *(given[each.name] for each in kind.arguments() if each.required)])
        answer = await stage.type("vic", line)
        assert not answer.failed
        assert all(screen.private for screen in answer.screens)
        assert len(answer.screens) == 1
        assert stage.shown() == ()


async def test_what_everybody_should_see_is_seen_by_everybody(tmp_path):
    async with on_discord(tmp_path) as stage:
        answer = await stage.type("ray", "/snapshot")
        assert "Saved: s-1" in answer.text
        assert not answer.screens[0].private


async def test_a_stop_is_there_and_said_within_the_time_a_person_looks(tmp_path):
    async with on_discord(tmp_path) as stage:
        answer = await stage.type("ray", "/kill-autonomous agent:coder-1 it loops")
        assert "Stopped: agent:coder-1" in answer.text
        assert answer.ack_s < 1.0
        assert [str(stop.scope) for stop in stage.given.engine.fence.stops()] == ["agent:coder-1"]


async def test_a_stop_whose_scope_is_none_stops_everything(tmp_path):
    async with on_discord(tmp_path) as stage:
        await stage.type("ray", "/kill-autonomous scope:everything reason:now")
        assert [str(stop.scope) for stop in stage.given.engine.fence.stops()] == ["all"]


async def test_a_stop_works_with_the_engine_away(tmp_path):
    fence = MemoryFence()
    async with on_discord(tmp_path, fence=fence) as stage:
        answer = await stage.type("ray", "/kill-autonomous")
        assert "the engine is away" in answer.text
        assert [str(stop.scope) for stop in fence.stops()] == ["all"]


async def test_a_stranger_is_refused_and_told_how_to_get_in(tmp_path):
    async with on_discord(tmp_path) as stage:
        answer = await stage.type("stranger", "/status")
        assert "You may not do this" in answer.text
        assert "watchkeeper link code" in answer.text
        assert answer.screens[0].private


async def test_a_code_makes_a_stranger_somebody(tmp_path):
    async with on_discord(tmp_path) as stage:
        code = stage.desk.tools.links.code("sam", "viewer")
        assert "You are sam here" in (await stage.type("stranger", f"/link {code}")).text
        assert "You are sam" in (await stage.type("stranger", "/whoami")).text


async def test_a_role_too_low_is_told_which_it_takes(tmp_path):
    async with on_discord(tmp_path) as stage:
        assert "takes a responder" in (await stage.type("vic", "/kill-autonomous")).text
        assert not stage.given.engine.fence.stops()


async def test_a_delivery_that_comes_twice_acts_once_and_is_answered_once(tmp_path):
    async with on_discord(tmp_path) as stage:
        stage.fake.redeliver(copies=3)
        answer = await stage.type("ray", "/snapshot")
        assert len(answer.screens) == 1
        facts = await stage.until(lambda: len(found := stage.given.journaled()) == 2 and found)
        assert [fact.outcome for fact in facts] == ["begun", "done"]


async def test_wrong_options_are_answered_with_their_cure(tmp_path):
    async with on_discord(tmp_path) as stage:
        answer = await stage.type("vic", "/explain me")
        assert "copy the whole id" in answer.text


async def test_a_command_we_do_not_have_any_more_is_answered(tmp_path):
    async with on_discord(tmp_path) as stage:
        known = stage.fake.world.commands[stage.fake.world.guild]
        next(one for one in known.values() if one["name"] == "status")["name"] = "statues"
        assert "did you mean /status" in (await stage.type("vic", "/statues")).text


async def test_what_takes_long_is_answered_when_it_is_there(tmp_path):
    async with on_discord(tmp_path, Patience(grace_s=0.0)) as stage:
        private = await stage.type("vic", "/whoami")
        public = await stage.type("ray", "/snapshot")
        assert ("You are vic" in private.text, private.screens[0].private) == (True, True)
        assert ("Saved: s-1" in public.text, public.screens[-1].private) == (True, False)
        assert "thinking" not in private.text + public.text


# ---------------------------------------------------------------- completion


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("/kill-autonomous agent:", ("agent:coder-1",)),
        ("/decisions all co", ("coder-1",)),
        ("/canary status he", ("heal",)),
        ("/help canary pr", ("canary promote",)),
        ("/audit c", ("cat", "cleo", "vic")),
        ("/restore la", ("latest",)),
    ],
)
async def test_what_is_typed_is_completed(tmp_path, line, offered):
    async with on_discord(tmp_path) as stage:
        await stage.given.engine.propose()
        assert await stage.fake.complete(stage.people["cat"], line, channel=stage.room) == offered


async def test_decisions_are_completed_and_no_more_than_discord_shows(tmp_path):
    async with on_discord(tmp_path) as stage:
        made = [(await stage.given.engine.propose(number)).verdict.decision_id for number in range(1, 31)]
        offered = await stage.fake.complete(stage.people["vic"], "/explain d_", channel=stage.room)
        assert offered == tuple(made[:-26:-1])


async def test_strangers_are_offered_nothing(tmp_path):
    async with on_discord(tmp_path) as stage:
        await stage.given.engine.propose()
        assert await stage.fake.complete(stage.people["stranger"], "/explain d", channel=stage.room) == ()


# ---------------------------------------------------------------- Discord in trouble


async def test_an_answer_that_discord_takes_at_the_second_try_is_not_lost(tmp_path):
    async with on_discord(tmp_path) as stage:
        stage.fake.limit(calls=1, retry_after_s=0.05)
        assert "You are vic" in (await stage.type("vic", "/whoami")).text


async def test_an_answer_whose_time_ran_out_comes_as_a_message(tmp_path):
    async with on_discord(tmp_path, ack_limit_s=0.0) as stage:
        await stage.type("ray", "/snapshot")
        assert "Saved: s-1" in (await stage.card("Saved")).text
        await stage.type("vic", "/whoami")
        (screen,) = await stage.until(lambda: stage.fake.direct(stage.people["vic"]))
        assert "You are vic" in screen.text


async def test_many_at_once_are_all_answered_in_time(tmp_path):
    async with on_discord(tmp_path) as stage:
        began = time.monotonic()
        answers = await asyncio.gather(*(stage.type("vic", "/status") for _ in range(20)))
        assert all("Autonomy is on" in answer.text for answer in answers)
        assert max(answer.ack_s for answer in answers) < 2.5, time.monotonic() - began


async def test_the_table_is_the_same_however_discord_gives_it_back():
    table = commands.table()
    back = [one | {"id": "1", "version": "2", "nsfw": False, "dm_permission": None} for one in table[::-1]]
    assert commands.same(back, table)
    assert not commands.same(back[1:], table)
    assert not commands.same([back[0] | {"description": "other"}, *back[1:]], table)
