"""Nothing a bot sends makes the fake Discord itself fail: it takes it or refuses it."""

import copy
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from simulator.fakes.fake_discord import FakeDiscord
from simulator.fakes.fake_discord.command_rules import check_commands
from simulator.fakes.fake_discord.refusals import Refused
from simulator.fakes.fake_discord.screens import modal as modal_of
from simulator.fakes.fake_discord.world import COMPONENTS_V2
from tests.fakes.discord_bodies import button, command, embed, option, row, select, text

LEAVES = st.none() | st.booleans() | st.integers(-2, 20) | st.text(max_size=4) | st.floats(0, 9)
ODD = LEAVES | st.lists(LEAVES, max_size=2) | st.dictionaries(st.sampled_from(["type", "name"]), LEAVES)


def places(node, path=()):
    """Yield the way to everything in a JSON body."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, part in inside:
        yield (*path, step)
        yield from places(part, (*path, step))


def damaged(data, whole):
    """Return a body of which one or two parts were exchanged for something odd."""
    body = copy.deepcopy(whole)
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(list(places(body))))
        node = body
        for step in way:
            node = node[step]
        node[last] = data.draw(ODD)
        if not list(places(body)):
            break
    return body


WHOLE = {
    "content": "<@1> **x**",
    "flags": 4,
    "nonce": "1",
    "embeds": [embed(description="d", color=1, url="https://x", footer={"text": "f"}, author={"name": "a"},
                     fields=[{"name": "n", "value": "v", "inline": True}], image={"url": "https://x"})],
    "components": [row(button(emoji={"name": "x"}, id=3)), row(select(placeholder="p", min_values=1))],
    "allowed_mentions": {"parse": ["users"], "roles": ["1"]},
    "attachments": [{"id": 0, "filename": "x", "description": "d"}],
    "message_reference": {"message_id": "1"},
}  # fmt: skip
NEWER = {
    "flags": COMPONENTS_V2,
    "components": [{"type": 17, "accent_color": 5, "components": [
        text("x"), {"type": 14}, row(button()),
        {"type": 9, "components": [text("y")], "accessory": button(custom_id="b")},
        {"type": 12, "items": [{"media": {"url": "https://x"}}]},
    ]}],
}  # fmt: skip
ANSWERS = [
    {"type": 4, "data": WHOLE | {"message_reference": None}},
    {"type": 7, "data": NEWER},
    {"type": 5, "data": {"flags": 64}},
    {"type": 8, "data": {"choices": [{"name": "n", "value": "v"}]}},
    {"type": 9, "data": {"title": "t", "custom_id": "c", "components": [
        row({"type": 4, "custom_id": "a", "style": 1, "label": "A", "min_length": 1}),
        {"type": 18, "label": "B", "component": select(required=False)},
    ]}},
]  # fmt: skip


@given(st.data())
def test_whatever_is_posted_is_taken_or_refused(data):
    fake = FakeDiscord()
    room = fake.add_channel("room")
    with suppress(Refused):
        posted = fake.happenings.post(
            damaged(data, data.draw(st.sampled_from([WHOLE, NEWER]))), {}, channel=room
        )
        fake.happenings.edit(posted, damaged(data, data.draw(st.sampled_from([WHOLE, NEWER]))), {})
        assert fake.messages(room)[0].edits == 1
    assert fake.picture(*(one.message_id for one in fake.messages(room)))


@given(st.data())
def test_whatever_an_interaction_is_answered_is_taken_or_refused(data):
    fake = FakeDiscord()
    person, room = fake.add_person("captain"), fake.add_channel("room")
    below = fake.happenings.post({"content": "x"}, {}, channel=room)
    answer = data.draw(st.sampled_from(ANSWERS))
    kind = {8: 4}.get(answer["type"], 3)
    talk = fake.talks.begin(kind, {}, account=person, channel=room, message=below if kind == 3 else None)
    try:
        fake.talks.callback(talk.id, talk.token, damaged(data, answer), {})
    except Refused:
        assert not talk.acked.is_set()
    else:
        assert talk.acked.is_set()
    if talk.modal is not None:
        assert modal_of("handle", talk.modal).title


@given(st.data())
def test_whatever_is_registered_is_taken_or_refused(data):
    inside = {"type": 1, "name": "s", "description": "d", "options": [option(required=True, min_length=1)]}
    group = {"type": 2, "name": "g", "description": "d", "options": [inside]}
    choice = {"name": "a", "value": "a"}
    limited = command(option(choices=[choice]), name="b", default_member_permissions="8")
    with suppress(Refused):
        registered = damaged(data, [command(group), limited])
        check_commands(registered)
        assert all(one["name"] for one in registered)
