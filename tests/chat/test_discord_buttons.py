"""Buttons on Discord: questions, reasons, restarts, and what was decided meanwhile."""

import pytest

from bot.discord_app.buttons import custom_id, pressed, view_of
from engine.commands.model import Button, Reply
from engine.errors import StorageError
from tests.chat.discord_stage import on_discord, on_stage

pytestmark = pytest.mark.asyncio


async def held(stage, number=1, **values):
    """A decision that waits, and its message."""
    decided = await stage.given.engine.propose(number, confidence=0.1, **values)
    decision = str(decided.verdict.decision_id)
    return decision, await stage.card(decision)


async def test_what_is_dangerous_is_asked_of_whoever_gave_it_and_done_once_confirmed(tmp_path):
    async with on_discord(tmp_path) as stage:
        await stage.type("ray", "/kill-autonomous all it loops")
        (asked,) = (await stage.type("cat", "/resume-autonomous all it is well")).screens
        assert asked.private
        assert [button.label for button in asked.buttons] == ["Resume", "Cancel"]
        assert stage.given.engine.fence.stops()
        done = await stage.press("cat", asked, "Resume")
        assert "Resumed: all" in done.text
        assert not stage.given.engine.fence.stops()
        assert done.screens[0].message_id == asked.message_id
        assert done.screens[0].buttons == ()
        await stage.card("cat resumed all")


async def test_what_is_cancelled_is_not_done_and_its_buttons_are_gone(tmp_path):
    async with on_discord(tmp_path) as stage:
        await stage.type("ray", "/kill-autonomous all it loops")
        (asked,) = (await stage.type("cat", "/resume-autonomous all it is well")).screens
        answer = await stage.press("cat", asked, "Cancel")
        assert ("Nothing was done" in answer.text, answer.screens[0].buttons) == (True, ())
        assert stage.given.engine.fence.stops()


async def test_a_question_from_before_a_restart_says_that_it_does_not_stand(tmp_path):
    async with on_stage(tmp_path) as stage:
        async with stage.front():
            await stage.type("ray", "/kill-autonomous all it loops")
            (asked,) = (await stage.type("cat", "/resume-autonomous all it is well")).screens
        stage.desk._questions.clear()
        async with stage.front():
            answer = await stage.press("cat", asked, "Resume")
            assert "does not stand any more" in answer.text
            assert answer.screens[0].buttons == ()


async def test_a_decision_is_approved_by_a_button(tmp_path):
    async with on_discord(tmp_path) as stage:
        _, card = await held(stage)
        answer = await stage.press("ray", card, "Approve")
        assert "Approved by ray" in answer.text
        await stage.until(lambda: "Approve" not in labels(stage, card))
        assert stage.given.engine.status_of(1) == "queued"


def labels(stage, card):
    return [
        button.label for one in stage.shown() if one.message_id == card.message_id for button in one.buttons
    ]


async def test_a_reason_is_asked_for_and_reaches_the_journal_whatever_stands_in_it(tmp_path):
    async with on_discord(tmp_path) as stage:
        _, card = await held(stage)
        opened = await stage.press("ray", card, "Deny")
        (field,) = opened.modal.fields
        assert (field.label, field.required) == ("Why not? The agent is told", True)
        reason = '"disk" is scope=full | **now**'
        answer = await stage.fake.fill(stage.people["ray"], opened.modal, {field.label: reason})
        assert "Denied by ray" in answer.text
        facts = await stage.until(lambda: [f for f in stage.given.journaled() if f.outcome == "done"])
        assert reason in facts[0].command


async def test_a_form_filled_in_after_a_restart_is_understood(tmp_path):
    async with on_stage(tmp_path) as stage:
        async with stage.front():
            _, card = await held(stage)
            opened = await stage.press("ray", card, "Deny")
        async with stage.front():
            values = {"Why not? The agent is told": "not today"}
            assert "Denied by ray" in (await stage.fake.fill(stage.people["ray"], opened.modal, values)).text


async def test_buttons_work_after_a_restart(tmp_path):
    async with on_stage(tmp_path) as stage:
        async with stage.front():
            _, card = await held(stage)
        async with stage.front():
            assert "Approved by ray" in (await stage.press("ray", card, "Approve")).text


async def test_a_press_that_comes_too_late_is_told_alone_what_is_true(tmp_path):
    async with on_discord(tmp_path) as stage:
        decision, card = await held(stage)
        stored = stage.fake.world.messages[card.message_id]
        before = stored.components
        await stage.given.say("cat", f"/approve {decision}")
        await stage.until(lambda: "Approve" not in labels(stage, card))
        # As it stands on a screen that has not caught up.
        stored.components = before
        answer = await stage.press("ray", card, "Approve")
        assert "It did not count" in answer.text
        assert answer.screens[0].private


async def test_a_stranger_who_presses_is_refused(tmp_path):
    async with on_discord(tmp_path) as stage:
        _, card = await held(stage)
        answer = await stage.press("stranger", card, "Approve")
        assert ("watchkeeper link code" in answer.text, answer.screens[0].private) == (True, True)
        assert stage.given.engine.status_of(1) == "held"


async def test_a_press_that_is_delivered_twice_counts_once(tmp_path):
    async with on_discord(tmp_path) as stage:
        _, card = await held(stage)
        stage.fake.redeliver(copies=2)
        answer = await stage.press("ray", card, "Approve")
        assert answer.text.count("Approved by ray") == 1


async def test_a_captain_vetoes_by_a_button_a_reason_and_a_confirmation(tmp_path):
    async with on_discord(tmp_path) as stage:
        _, card = await held(stage)
        opened = await stage.press("cat", card, "Veto")
        (asked,) = (
            await stage.fake.fill(stage.people["cat"], opened.modal, {"Why must it not happen?": "no"})
        ).screens
        assert "Veto it?" in asked.text
        assert stage.given.engine.status_of(1) == "held"
        await stage.press("cat", asked, "Veto")
        await stage.until(lambda: stage.given.engine.status_of(1) == "vetoed")


# ---------------------------------------------------------------- what a button carries


@pytest.mark.parametrize("line", ["explain d_7e566b8fac673f6", "canary resume heal " + "why " * 30, "a|b|c"])
@pytest.mark.parametrize("asks", ["", "Why | not?\nReally", "Why " * 20])
async def test_a_button_carries_its_command_however_long_it_is(line, asks):
    kept = {}

    def put_by(text):
        kept["0" * 24] = text
        return "0" * 24

    identifier = custom_id(Button(label="x", line=line, asks=asks), put_by)
    assert len(identifier) <= 100
    press = pressed(identifier, kept.get)
    assert press.line == line
    assert bool(press.asks) == bool(asks)


async def test_a_button_whose_command_is_long_works_after_a_restart(tmp_path):
    line = "canary resume heal " + "why " * 40
    async with on_stage(tmp_path) as stage:
        async with stage.front() as front:
            (poster,) = front.posters
            ref = await poster.post(Reply(title="x", buttons=(Button(label="Go on", line=line),)), thread="")
        async with stage.front():
            answer = await stage.press("ray", ref.partition("/")[2], "Go on")
            assert "it is not paused for that" in answer.text


async def test_a_button_too_old_to_know_says_so(tmp_path):
    async with on_discord(tmp_path) as stage:
        _, card = await held(stage)
        stored = stage.fake.world.messages[card.message_id]
        stored.components[0]["components"][0]["custom_id"] = "wk#" + "0" * 24
        answer = await stage.press("ray", card, "Approve")
        assert "too old" in answer.text


async def test_what_cannot_be_put_by_costs_its_button_and_no_other():
    def full(_text):
        raise StorageError("no space")

    buttons = (Button(label="long", line="help " + "x" * 200), Button(label="short", line="help"))
    assert [item.label for item in view_of(buttons, full).children] == ["short"]


async def test_buttons_of_others_are_left_alone():
    assert pressed("somebody:else", {}.get) is None
