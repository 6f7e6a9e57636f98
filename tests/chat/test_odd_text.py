"""What people type by accident, or to break things: on both platforms each gets an answer."""

import pytest

from engine.commands.catalogue import LANGUAGE
from tests.chat.discord_stage import on_discord
from tests.chat.slack_world import slack

ODD = {
    "emoji": "🦆👩‍👩‍👧‍👦🏴‍☠️" * 40,
    "right to left": "مرحبا بالعالم \u202eevil\u202c עברית",
    "stacked": "e" + "\u0301" * 500,
    "unseen": "a\u200b\u200d\u2060\ufeffb\u00ad",
    "controls": "a\x00b\x07c\x1b[2Jd\r\ne",
    "half a letter": "a\ud800b",
    "mentions": "@everyone @here <@U12345> <!channel> <#C1> <https://evil.example|bank.example>",
    "markup": "**b** _i_ `c` ```d``` ~s~ > q\n# h [x](https://evil.example) ||spoiler||",
    "quotes": "\"never closed 'and this “too",
    "names": "reason= scope=all reason=again",
    "long": "x" * 3_500,
    "too long": "y" * 5_900,
    "spaces": " \t\u00a0\u3000 ",
}


@pytest.mark.asyncio
async def test_slack_answers_whatever_is_typed_and_a_stop_stops(tmp_path):
    async with slack(tmp_path) as world:
        for name, text in ODD.items():
            for line in (f"/explain {text}", f"/wk {text}", f"/audit {text}"):
                answer = await world.say("ray", line)
                assert not answer.failed, name
                assert answer.screens or answer.modal, f"{name}: {line}"
            assert "Stopped: all" in (await world.say("ray", f"/kill-autonomous {text}")).text, name


@pytest.mark.asyncio
async def test_discord_answers_whatever_is_typed_and_a_stop_stops(tmp_path):
    async with on_discord(tmp_path) as stage:
        for name, text in ODD.items():
            for line in (f"/explain {text}", f"/audit {text}"):
                try:
                    answer = await stage.type("ray", line)
                except (LookupError, ValueError):
                    # Discord's own client keeps it back.
                    continue
                assert not answer.failed, name
                assert answer.screens, f"{name}: {line}"
            assert "Stopped: all" in (await stage.type("ray", f"/kill-autonomous {text}")).text, name


@pytest.mark.asyncio
async def test_half_a_letter_in_a_form_refuses_nothing(tmp_path):
    async with slack(tmp_path / "slack") as world:
        decision = await world.held()
        form = await world.press("ray", await world.sees(decision), "Deny")
        reason = {field.label: "too \ud83d late" for field in form.modal.fields}
        await world.fake.fill(world.people["ray"], form.modal, reason)
        await world.sees("too \ufffd late")
    async with on_discord(tmp_path / "discord") as stage:
        decided = await stage.given.engine.propose(1, action="service.restart", confidence=0.05)
        card = await stage.card(decided.verdict.decision_id)
        form = await stage.press("ray", card, "Deny")
        reason = {field.label: "too \ud83d late" for field in form.modal.fields}
        await stage.fake.fill(stage.people["ray"], form.modal, reason)
        await stage.card("too \ufffd late")


def test_half_a_letter_does_not_keep_a_terminal_from_stopping():
    # What is no text in the terminal's encoding comes as halves of letters.
    assert LANGUAGE.parse("/kill-autonomous \udcff").reason == "\ufffd"
