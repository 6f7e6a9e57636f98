"""How replies look in Slack: within its limits, and nothing that agents wrote means anything there."""

import json

import pytest

from bot.slack_app.places import Place
from bot.slack_app.render import render
from engine.commands.model import Button, Confirm, Reply, Table
from simulator.fakes.fake_slack.rules import message_faults
from tests.chat.slack_world import slack

HOSTILE = (
    "<!channel> <!here> @everyone <@U1> <#C1> <https://evil.example|https://good.example> *b* _i_ `c` ```\n"
    "&lt;!channel&gt; :skull: \u202egnp.exe \x1b[2J \u200b http://evil.example"
)
HUGE = Reply(
    title="t" * 1_000,
    text="\n".join("line " * 60 for _ in range(200)),
    fields=tuple((f"name {n}" * 5, "value " * n) for n in range(200)),
    table=Table(columns=("a", "b"), rows=tuple((f"{n}" * 20, "x" * 90) for n in range(400))),
    buttons=tuple(
        Button(
            label="press " * 30,
            line=f"explain {n}" + ("!" * 3_000 if n == 3 else ""),
            confirm=Confirm(title="t" * 200, text="w" * 900, yes="y" * 90),
        )
        for n in range(60)
    ),
    footer="f" * 900,
)


def test_a_huge_reply_keeps_every_limit_and_says_how_much_is_left_out():
    rendered = render(HUGE)
    assert message_faults(rendered.message()) == []
    assert len(rendered.blocks) <= 50
    assert len(json.dumps(rendered.blocks)) < 40_000
    assert f"{rendered.left_out:,} letters are left out here" in json.dumps(rendered.blocks)


@pytest.mark.parametrize(
    "reply", [Reply(title=""), Reply(title=" ", text="\n\n", fields=(("", ""),), footer=" ")]
)
def test_a_reply_that_says_next_to_nothing_is_a_message_all_the_same(reply):
    assert message_faults(render(reply).message()) == []


def test_agents_words_stand_only_where_slack_reads_no_markup():
    reply = Reply(
        title=HOSTILE, text=HOSTILE, fields=((HOSTILE, HOSTILE),), footer=HOSTILE,
        table=Table(columns=("a",), rows=((HOSTILE,),)),
        buttons=(Button(label=HOSTILE, line="x", confirm=Confirm(title=HOSTILE, text=HOSTILE, yes="y")),),
    )  # fmt: skip
    rendered = render(reply)
    assert message_faults(rendered.message()) == []
    assert [part for part in parts(rendered.blocks) if part["type"] == "mrkdwn"] == []
    assert "<" not in rendered.text
    shown = json.dumps(rendered.message(), ensure_ascii=False)
    assert not {"\u202e", "\u200b", "\x1b"} & set(shown)


def test_only_names_of_ours_are_set_in_bold():
    rendered = render(Reply(title="t", fields=(("Waits for", "a *captain*"), ("*x* <!here>", "v"))))
    assert [part["text"] for part in parts(rendered.blocks) if part["type"] == "mrkdwn"] == ["*Waits for*"]


@pytest.mark.asyncio
async def test_what_an_agent_writes_is_shown_as_it_is_and_reaches_nobody(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held(rationale="<!channel> see <https://evil.example|here>")
        card = await world.sees(held)
        assert "<!channel> see <https://evil.example|here>" in card.text
        call = [args for name, args in world.fake.web_api.calls if name == "chat.postMessage"][-1]
        assert (call["unfurl_links"], call["unfurl_media"]) == (False, False)


@pytest.mark.asyncio
@pytest.mark.parametrize("where", ["channel", "direct"])
async def test_what_is_too_long_comes_as_a_file_to_whoever_asked(tmp_path, where):
    async with slack(tmp_path) as world:
        channel = world.direct("cat") if where == "direct" else world.captains
        await world.front._answers.give(Place(channel=channel, user=world.people["cat"]), HUGE)
        files = [each for screen in world.fake.direct(world.people["cat"]) for each in screen.attachments]
        assert [file.name for file in files] == [f"{'t' * 60}.txt"]
        assert files[0].size_bytes > 50_000


def parts(value):
    """Give every text object anywhere in blocks."""
    if isinstance(value, list):
        for each in value:
            yield from parts(each)
    elif isinstance(value, dict):
        if value.get("type") in {"mrkdwn", "plain_text"}:
            yield value
        for each in value.values():
            yield from parts(each)
