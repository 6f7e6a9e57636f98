"""Replies as Discord shows them: whatever they hold, the platform's limits are kept, and cuts are said."""

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord_app.render import page
from engine.commands.model import Button, Reply, Table
from engine.commands.plain import plain
from notifiers.discord_markup import code, escaped, fitted, length
from simulator.fakes.fake_discord.markup import plain as read
from simulator.fakes.fake_discord.message_rules import check_message

TEXT = st.text(max_size=200) | st.text(max_size=20).map(lambda text: text * 300)
REPLY = st.builds(
    Reply,
    title=TEXT,
    text=TEXT,
    fields=st.lists(st.tuples(TEXT, TEXT), max_size=40).map(tuple),
    table=st.none()
    | st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=12).map(
        lambda rows: Table(columns=("one", "two", "three"), rows=tuple(rows))
    ),
    footer=TEXT,
    tone=st.sampled_from(["plain", "good", "warning", "danger"]),
    buttons=st.lists(st.builds(Button, label=TEXT, line=TEXT), max_size=30).map(tuple),
)


def named(_kind, value):
    return f"<{value}>"


@given(REPLY)
def test_whatever_a_reply_holds_discord_takes_it(reply):
    made = page(reply)
    check_message({"embeds": [made.embed.to_dict()]}, files=len(made.files))
    assert len(made.buttons) <= 25
    assert len(made.embed) <= 6000


@given(REPLY)
def test_what_is_cut_comes_whole_as_a_file(reply):
    made = page(reply)
    shown = str(made.embed.to_dict())
    if "letters more" in shown or " more" in shown:
        assert (made.files == ()) or made.files[-1][1] == plain(reply).encode("utf-8", "replace")


@given(st.text())
def test_what_somebody_wrote_is_read_as_they_wrote_it(text):
    visible = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)
    assert read(escaped(text), named) == visible


@pytest.mark.parametrize(
    "text",
    [
        "**b**",
        "__u__",
        "~~s~~",
        "||p||",
        "`c`",
        "> q",
        "# h",
        "- l",
        "1. l",
        "[a](https://b.c)",
        "<@1>",
        "<#1>",
    ],
)
def test_nothing_formats(text):
    assert read(escaped(text), named) == text


@given(st.text())
def test_nothing_ends_a_block_of_code(text):
    assert code(text).count("```") == 2


@given(st.text(max_size=300), st.integers(60, 200))
def test_what_is_fitted_fits_and_says_how_much_is_left_out(text, most):
    shown, cut = fitted(text, most)
    assert length(shown) <= most
    assert cut == ("letters more" in shown) or "letters more" in text


def test_a_table_as_narrow_as_a_phone_keeps_its_columns():
    table = Table(columns=("agent", "state"), rows=(("coder-1", "well"), ("coder-22", "away")))
    assert page(Reply(title="x", table=table)).embed.description == (
        "```\nagent     state\ncoder-1   well\ncoder-22  away\n```"
    )


def test_a_wider_table_is_a_paragraph_a_row():
    rows = (("d_7e566b8fac673f6", "coder-1", "cache.clear", "4 min", "nobody yet"),)
    table = Table(columns=("decision", "agent", "action", "time left", "approved by"), rows=rows)
    lines = page(Reply(title="x", table=table)).embed.description.split("\n")[1:-1]
    assert lines[:2] == ["decision", "d_7e566b8fac673f6"]
    assert max(map(len, lines)) <= 44


def test_a_time_is_shown_in_the_time_of_whoever_looks():
    embed = page(Reply(title="x", fields=(("At", "2023-11-14T22:13:20Z"), ("No time", "2023")))).embed
    assert [field.value for field in embed.fields] == ["<t:1700000000:f>", "2023"]


def test_an_explanation_keeps_its_lines():
    embed = page(Reply(title="x", text="Decided\n  because of *this*")).embed
    assert embed.description == "```\nDecided\n  because of *this*\n```"


def test_tones_have_colours_of_their_own():
    colours = {
        page(Reply(title="x", tone=tone)).embed.colour for tone in ("plain", "good", "warning", "danger")
    }
    assert len(colours) == 4
    assert all(isinstance(colour, discord.Colour) for colour in colours)
