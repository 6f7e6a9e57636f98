"""The desk: who may say what is decided here, each delivery acts once, and everything is in the journal."""

import asyncio

import pytest

from engine.adapters.fence_memory import MemoryFence
from engine.commands.desk import Desk
from engine.commands.model import Account
from engine.core.vocabulary.facts import CaptaincyBegun
from tests.commands.desks import STRANGER, at_desk, desk_alone

pytestmark = pytest.mark.asyncio


async def test_a_stranger_is_told_how_to_get_in_and_the_attempt_is_journaled(tmp_path):
    async with at_desk(tmp_path) as given:
        reply = await given.desk.give("/status", STRANGER, "e1")
        await given.desk.close()
        assert reply.outcome == "forbidden"
        assert reply.private
        assert "watchkeeper link code" in str(reply.fields)
        (noted,) = given.journaled()
        assert (noted.outcome, noted.front) == ("forbidden", "discord")
        assert noted.by.startswith("stranger:")
        assert "999" not in noted.by


@pytest.mark.parametrize(
    ("who", "line"),
    [("vic", "/kill-autonomous"), ("vic", "/snapshot"), ("ray", "/resume-autonomous all it is well")],
)
async def test_who_may_not_is_told_which_role_it_takes(tmp_path, who, line):
    async with at_desk(tmp_path) as given:
        reply = await given.say(who, line)
        assert reply.outcome == "forbidden"
        assert "takes a" in reply.text
        assert not given.engine.fence.stops()


async def test_a_stop_is_durable_when_it_is_answered(tmp_path):
    async with at_desk(tmp_path) as given:
        reply = await given.say("ray", "/kill-autonomous agent:coder-1 it loops")
        assert reply.title == "Stopped: agent:coder-1"
        assert [str(stop.scope) for stop in given.engine.fence.stops()] == ["agent:coder-1"]


async def test_a_stop_works_with_the_engine_away(tmp_path):
    fence = MemoryFence()
    async with desk_alone(tmp_path, fence) as given:
        reply = await given.say("ray", "/kill-autonomous")
        assert reply.outcome == "done"
        assert "the engine is away" in reply.text
        assert [str(stop.scope) for stop in fence.stops()] == ["all"]


async def test_what_needs_the_engine_says_that_it_is_away_and_may_be_tried_again(tmp_path):
    async with desk_alone(tmp_path, MemoryFence()) as given:
        first = await given.say("ray", "/snapshot", key="same")
        assert first.outcome == "failed"
        assert "does not answer" in first.text


async def test_what_is_dangerous_shows_what_will_happen_and_does_nothing_yet(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("ray", "/kill-autonomous all it loops")
        asked = await given.say("cat", "/resume-autonomous all it is well")
        assert asked.outcome == "asks"
        assert "ray stopped it" in asked.text
        assert given.engine.fence.stops()


async def test_it_is_done_once_it_is_confirmed(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("ray", "/kill-autonomous")
        asked = await given.say("cat", "/resume-autonomous all it is well")
        done = await given.confirm("cat", asked)
        assert done.title == "Resumed: all"
        assert not given.engine.fence.stops()


async def test_nobody_else_can_confirm_it(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("ray", "/kill-autonomous")
        asked = await given.say("cat", "/resume-autonomous all it is well")
        other = await given.confirm("cleo", asked)
        same_person_elsewhere = await given.confirm("cat", asked, front="slack")
        assert other.outcome == same_person_elsewhere.outcome == "refused"
        assert given.engine.fence.stops()


async def test_a_question_is_answered_once(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("ray", "/kill-autonomous")
        asked = await given.say("cat", "/resume-autonomous all it is well")
        await given.confirm("cat", asked)
        again = await given.confirm("cat", asked)
        assert "does not stand any more" in again.text


async def test_what_was_cancelled_is_not_done(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("ray", "/kill-autonomous")
        asked = await given.say("cat", "/resume-autonomous all it is well")
        assert (await given.say("cat", asked.buttons[1].line)).title == "Nothing was done"
        assert (await given.confirm("cat", asked)).outcome == "refused"
        assert given.engine.fence.stops()


async def test_a_delivery_that_is_repeated_acts_once(tmp_path):
    async with at_desk(tmp_path) as given:
        replies = await asyncio.gather(*(given.say("ray", "/snapshot", key="same") for _ in range(50)))
        late = await given.say("ray", "/snapshot", key="same")
        assert len({id(reply) for reply in [*replies, late]}) == 1
        await given.desk.close()
        assert [fact.outcome for fact in given.journaled()] == ["begun", "done"]


async def test_a_stop_that_is_delivered_again_after_it_was_lifted_stops_nothing(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("ray", "/kill-autonomous", key="same")
        asked = await given.say("cat", "/resume-autonomous all it is well")
        await given.confirm("cat", asked)
        # Another process of the front: what was done before is known from the journal alone.
        await asyncio.gather(*given.desk._behind)
        again = Desk(given.desk.tools)
        account = Account(front="discord", account_id="discord-ray", name="ray")
        reply = await again.give("/kill-autonomous", account, "same")
        assert reply.title == "That was done already"
        assert not given.engine.fence.stops()


async def test_what_was_cut_short_by_a_crash_is_not_done_again_unasked(tmp_path):
    async with at_desk(tmp_path) as given:
        account = Account(front="discord", account_id="discord-ray", name="ray")
        asker = given.desk.identify(account)
        # The last that a process wrote before it was killed.
        await given.desk._journal("command:discord:same", "snapshot", asker, outcome="begun")
        reply = await Desk(given.desk.tools).give("/snapshot", account, "same")
        assert (reply.title, reply.outcome) == ("That was begun already", "refused")
        assert [fact.outcome for fact in given.journaled()] == ["begun"]
        assert (await given.say("ray", "/snapshot", key="other")).outcome == "done"


async def test_the_same_id_on_another_platform_is_another_delivery(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("ray", "/snapshot", key="same")
        await given.say("ray", "/snapshot", key="same", front="slack")
        await given.desk.close()
        assert sum(fact.outcome == "done" for fact in given.journaled()) == 2


async def test_every_command_and_its_author_are_in_the_journal(tmp_path):
    async with at_desk(tmp_path) as given:
        await given.say("vic", "/limits")
        await given.say("ray", "/kill-autonomous all it loops")
        await given.say("vic", "/nonsense")
        await given.desk.close()
        said = [(fact.by, fact.command, fact.outcome) for fact in given.journaled()]
        assert said == [
            ("vic", "limits", "done"),
            ("ray", "kill-autonomous all it loops", "done"),
            ("vic", "/nonsense", "refused"),
        ]


async def test_a_secret_is_neither_journaled_nor_said(tmp_path):
    secret = "ghp_" + "a1B2" * 10
    async with at_desk(tmp_path) as given:
        reply = await given.say("ray", f"/kill-autonomous all the token {secret} leaked")
        shown = await given.say("vic", "/status")
        await given.desk.close()
        assert secret not in str(reply) + str(shown)
        assert secret not in str(given.journaled())


async def test_a_bug_in_a_command_is_answered_and_does_not_end_the_desk(tmp_path):
    def broken():
        raise RuntimeError("a bug")

    async with at_desk(tmp_path, looking=broken) as given:
        reply = await given.say("vic", "/audit")
        assert reply.outcome == "failed"
        assert (await given.say("vic", "/whoami")).title == "You are vic"


async def test_an_account_is_linked_by_a_code_that_works_once(tmp_path):
    async with at_desk(tmp_path) as given:
        made = await given.say("cat", "/link")
        code = made.text.split("/link ")[1].split()[0]
        linked = await given.desk.give(f"/link {code}", STRANGER, "e1")
        assert linked.title == "You are cat here"
        other = Account(front="slack", account_id="U7", name="other")
        again = await given.desk.give(f"/link {code}", other, "e2")
        assert "wrong, used, or more than ten minutes old" in again.text
        assert (await given.desk.give("/whoami", STRANGER, "e3")).title == "You are cat"


async def test_who_acts_as_captain_has_that_role_for_now_and_links_no_account_that_keeps_it(tmp_path):
    async with at_desk(tmp_path) as given:
        begun = CaptaincyBegun(at_us=1, captain="ray", deputy="")
        await given.engine.live.intake.take("captaincy:1", begun)
        assert ("Role", "captain") in (await given.say("ray", "/whoami")).fields
        code = (await given.say("ray", "/link")).text.split("/link ")[1].split()[0]
        linked = await given.desk.give(f"/link {code}", STRANGER, "e1")
        assert "Your role is responder" in linked.text
        assert (await given.say("vic", "/captain handover vic")).outcome == "refused"


async def test_no_code_ever_stands_in_the_journal(tmp_path):
    async with at_desk(tmp_path) as given:
        made = await given.say("cat", "/link")
        code = made.text.split("/link ")[1].split()[0]
        await given.say("ray", f"/link {code}")
        await given.say("ray", f"/link {code} and more")
        await given.desk.give(f"/link {code}", STRANGER, "e1")
        await given.desk.close()
        assert {fact.command for fact in given.journaled()} == {"link"}
        assert code not in str(given.journaled())


async def test_codes_cannot_be_guessed_for_long(tmp_path):
    async with at_desk(tmp_path) as given:
        for number in range(5):
            await given.desk.give(f"/link aaaa-aaa{number + 2}", STRANGER, f"e{number}")
        made = await given.say("cat", "/link")
        code = made.text.split("/link ")[1].split()[0]
        reply = await given.desk.give(f"/link {code}", STRANGER, "e9")
        assert "too many wrong codes" in reply.text


async def test_help_shows_a_person_what_they_may_say(tmp_path):
    async with at_desk(tmp_path) as given:
        shown = await given.say("vic", "/help")
        usages = [row[0] for row in shown.table.rows]
        assert "/status" in usages
        assert not any(usage.startswith("/captain-override") for usage in usages)
        one = await given.say("vic", "/help captain-override")
        assert one.title == "/captain-override <decision_id> veto|allow [reason…]"
