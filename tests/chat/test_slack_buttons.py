"""Buttons, dialogs and forms: what is pressed is a command, also after a restart and when it is stale."""

import pytest

from tests.chat.slack_world import slack

pytestmark = pytest.mark.asyncio


async def test_a_button_approves_and_all_see_who_did(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        card = await world.sees(held)
        await world.press("ray", card, "Approve")
        await world.sees("approved by ray")


async def test_a_button_works_after_a_restart(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        card = await world.sees(held)
        await world.stop()
        await world.start()
        await world.press("ray", card, "I have it")
        await world.told("ray", "ray has it")
        assert [fact.command for fact in world.journaled() if fact.outcome == "begun"] == [f"ack {held}"]


async def test_a_reason_is_asked_for_and_reaches_the_desk_as_it_was_written(tmp_path):
    async with slack(tmp_path) as world:
        card = await world.sees(await world.held())
        form = (await world.press("ray", card, "Deny")).modal
        assert [field.label for field in form.fields] == ["Why not? The agent is told"]
        reason = '"too risky": reason=now & <later>'
        answer = await world.fake.fill(world.people["ray"], form, {form.fields[0].label: reason})
        assert answer.modal is None
        await world.sees("denied by ray")
        begun = [fact.command for fact in world.journaled() if fact.outcome == "begun"]
        assert begun == [f"deny {card.text.splitlines()[-1].split()[0]} {reason}"]


async def test_a_reason_that_says_nothing_is_refused_under_its_field(tmp_path):
    async with slack(tmp_path) as world:
        card = await world.sees(await world.held())
        form = (await world.press("ray", card, "Deny")).modal
        answer = await world.fake.fill(world.people["ray"], form, {form.fields[0].label: "   "})
        assert "reason" in answer.modal.fields[0].problem
        again = await world.fake.fill(world.people["ray"], answer.modal, {form.fields[0].label: "no"})
        assert again.modal is None
        await world.sees("denied by ray")


async def test_a_button_that_confirms_says_what_will_happen_and_does_nothing_when_declined(tmp_path):
    async with slack(tmp_path) as world:
        async with world.engine.working():
            await world.engine.propose(1)
            await world.engine.until("done")
        shown = await world.say("ray", f"/explain {world.engine_id(1)}")
        said = await world.fake.cancel(world.people["ray"], shown.screens[0].message_id, "Undo")
        assert said.startswith("Take it back?\n")
        assert not [fact for fact in world.journaled() if fact.command.startswith("undo")]


async def test_a_question_is_asked_privately_and_yes_does_it(tmp_path):
    async with slack(tmp_path) as world:
        await world.say("cat", "/kill-autonomous agent:coder-1")
        asked = (await world.say("cat", "/resume-autonomous agent:coder-1 it is well")).screens[0]
        assert asked.private
        assert world.engine.fence.stops()
        await world.press("cat", asked, "Resume")
        await world.sees("cat resumed agent:coder-1")
        assert not world.engine.fence.stops()
        # The question is gone, and its buttons with it.
        assert not [each for each in world.fake.private(world.people["cat"]) if "Resume agent" in each.text]


async def test_a_question_that_is_declined_does_nothing(tmp_path):
    async with slack(tmp_path) as world:
        await world.say("cat", "/kill-autonomous agent:coder-1")
        asked = (await world.say("cat", "/resume-autonomous agent:coder-1 it is well")).screens[0]
        answer = await world.press("cat", asked, "Cancel")
        assert "Nothing was done" in answer.text
        assert answer.screens[0].buttons == ()
        assert world.engine.fence.stops()


async def test_a_question_in_a_direct_message_is_replaced_by_its_answer(tmp_path):
    async with slack(tmp_path) as world:
        there = world.direct("cat")
        await world.say("cat", "kill-autonomous agent:coder-1", channel=there)
        asked = (await world.say("cat", "resume-autonomous agent:coder-1 well", channel=there)).screens[-1]
        await world.press("cat", asked, "Resume")
        last = world.fake.direct(world.people["cat"])[-1]
        assert (last.message_id, "Resumed" in last.text) == (asked.message_id, True)


async def test_a_stale_button_says_privately_how_things_stand(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        card = await world.sees(held)
        message = world.fake.workspace.posts[card.message_id]
        old = [dict(block) for block in message.blocks]
        await world.press("ray", card, "Approve")
        await world.sees("approved by ray")
        # A screen that has not heard of the change yet.
        message.blocks = old
        answer = await world.press("cat", card, "Approve")
        (mine,) = [screen for screen in answer.screens if screen.private]
        assert mine.text.startswith("⚠ It did not count\n")
        assert "ray approved it" in mine.text


async def test_a_reader_may_not_press_what_they_may_not_say(tmp_path):
    async with slack(tmp_path) as world:
        card = await world.sees(await world.held())
        answer = await world.press("vic", card, "Approve")
        assert "takes a responder" in answer.text
        assert [screen.private for screen in answer.screens] == [True]


async def test_a_command_that_lacks_something_opens_a_form_that_offers_it(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        form = (await world.say("vic", "/explain")).modal
        assert [(field.label, field.required) for field in form.fields] == [("Decision id", True)]
        offered = await world.fake.complete(world.people["vic"], "Decision id: d_", channel=world.captains)
        assert offered[0] == held
        answer = await world.fake.fill(world.people["vic"], form, {"Decision id": held})
        assert held in answer.text
        assert answer.screens[0].private


async def test_a_form_keeps_what_was_given_and_says_what_is_wrong(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        form = (await world.say("ray", f"/deny {held}")).modal
        assert [field.value for field in form.fields] == [held, ""]
        answer = await world.fake.fill(world.people["ray"], form, {"Decision id": "d_1", "Reason": "no"})
        assert "is no decision" in answer.modal.fields[0].problem


async def test_a_stranger_gets_no_form_and_nothing_offered(tmp_path):
    async with slack(tmp_path) as world:
        await world.held()
        answer = await world.say("nobody", "/explain")
        assert answer.modal is None
        assert await world.front._listeners._desk.offer("decision", "", _stranger(world)) == []


def _stranger(world):
    from engine.commands.model import Account

    return Account(front="slack", account_id=world.people["nobody"])
