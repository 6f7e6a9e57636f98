"""What people read on the fake Discord: markup taken away in screens, and kept in pictures."""

import re

import pytest

from simulator.fakes.fake_discord import FakeDiscord, HandClock
from simulator.fakes.fake_discord.markup import lines, plain


def named(kind, value):
    return f"<{kind} {value}>"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("**bold** *it* _it_ __under__ ~~no~~ ||spoiler||", "bold it it under no spoiler"),
        ("***both***", "both"),
        ("**a `b` c**", "a b c"),
        ("restart_unhealthy_now stays_so", "restart_unhealthy_now stays_so"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("`**code**` and ``a`b``", "**code** and a`b"),
        ("```py\nx = '**1**'\n```", "x = '**1**'"),
        ("before\n```\nin\n```\nafter", "before\nin\nafter"),
        ("# Head\n## Two\n-# small\n> quote", "Head\nTwo\nsmall\nquote"),
        ("- one\n  - two\n* three\n1. four", "• one\n  • two\n• three\n1. four"),
        ("[the page](https://example.org/a_b_c)", "the page"),
        ("[**the** page](<https://example.org>)", "the page"),
        ("see <https://example.org> or https://example.org/a_b_c.", "see https://example.org or https://example.org/a_b_c."),
        ("<@1> <@!2> <@&3> <#4>", "<user 1> <user 2> <role 3> <channel 4>"),
        ("</canary promote:5> <:ok:6> <a:run:7>", "/canary promote :ok: :run:"),
        ("<t:100:R>", "<time 100:R>"),
        (r"\*not\* \_this\_", "*not* _this_"),
        ("a\n\nb", "a\n\nb"),
        ("", ""),
    ],
)  # fmt: skip
def test_markup_is_taken_away_and_text_kept(written, read):
    assert plain(written, named) == read


def test_marks_are_kept_for_pictures():
    spans = lines("# **Stop** `all`", named)[0]
    assert [(one.text, sorted(one.marks)) for one in spans] == [
        ("Stop", ["bold", "heading1"]),
        (" ", ["heading1"]),
        ("all", ["code", "heading1"]),
    ]


@pytest.fixture
def fake():
    return FakeDiscord(clock=HandClock(1_700_000_000))


def posted(fake, **body):
    room = fake.add_channel("room")
    return fake.happenings.post(body, {}, channel=room)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<t:1700000300:R>", "in 5 minutes"),
        ("<t:1699996400:R>", "1 hour ago"),
        ("<t:1700000000>", "14 November 2023 22:13 UTC"),
        ("<t:1700000000:D>", "14 November 2023"),
    ],
)
def test_times_are_shown_as_of_the_fakes_clock(fake, written, read):
    stored = posted(fake, content=written)
    assert fake.messages(stored.channel)[0].text == read


def test_a_relative_time_moves_with_the_clock(fake):
    stored = posted(fake, content="<t:1700000300:R>")
    fake.clock.advance(240)
    assert fake.messages(stored.channel)[0].text == "in 1 minute"


BUTTONS = [
    {"type": 1, "components": [
        {"type": 2, "style": 3, "label": "Approve", "custom_id": "a", "emoji": {"name": "✅"}},
        {"type": 2, "style": 4, "label": "Deny", "custom_id": "d", "disabled": True},
    ]},
]  # fmt: skip


def test_buttons_are_seen_with_their_style_and_whether_they_are_dead(fake):
    stored = posted(fake, content="x", components=BUTTONS)
    seen = fake.messages(stored.channel)[0].buttons
    assert [(one.label, one.style, one.enabled) for one in seen] == [
        ("✅ Approve", "good", True),
        ("Deny", "danger", False),
    ]


def test_a_picture_shows_the_message_and_fetches_nothing(fake):
    stored = posted(
        fake,
        content=f"**Look**, <@{fake.add_person('captain')}>: `x`",
        embeds=[{"title": "Restart", "color": 0xFF8800, "fields": [{"name": "Cost", "value": "2"}],
                 "footer": {"text": "d-1"}}],
        components=BUTTONS,
    )  # fmt: skip
    page = fake.picture(stored.id)
    for shown in (
        "Look",
        "@captain",
        "Restart",
        "#ff8800",
        "Cost",
        "d-1",
        "Approve",
        "button danger dead",
        "APP",
    ):
        assert shown in page
    assert not re.search(r"https?://|<script|<img|<link|url\(", page)


def test_a_picture_shows_markup_as_text_where_it_is_none_of_ours(fake):
    bad = '<script>alert("x")</script>'
    embed = {"title": bad, "description": bad, "fields": [{"name": bad, "value": bad}]}
    embed |= {"footer": {"text": bad}, "author": {"name": bad}}
    stored = posted(fake, content=f'{bad} [a](https://e.org/"onclick="x)', embeds=[embed])
    page = fake.picture(stored.id)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 7
    assert 'onclick="' not in page
