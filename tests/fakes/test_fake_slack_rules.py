"""A wrong message is refused as Slack refuses it, and the reason can be read."""

import asyncio
import copy

import pytest
from slack_sdk.errors import SlackApiError

from simulator.fakes.fake_slack.manifest import manifest_faults
from simulator.fakes.fake_slack.rules import message_faults, options_faults, refusal, view_faults
from tests.fakes.slack_bot import FORM, MANIFEST, on_socket, plain, question


def said(**body):
    """What is wrong with a message, and Slack's word for it."""
    faults = message_faults({"text": "x", **body})
    return refusal(faults), " | ".join(fault.detail for fault in faults)


def button(**more):
    return {"type": "button", "action_id": "a", "text": plain("Go"), **more}


def actions(*elements):
    return [{"type": "actions", "elements": list(elements)}]


def section(text):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_a_full_message_breaks_no_rule():
    assert said(blocks=question("U1")) == (None, "")


@pytest.mark.parametrize(
    ("blocks", "why"),
    [
        ([{"type": "nonsense"}], "type that does not exist"),
        ([section("x")] * 51, "51 blocks of 50"),
        ([section("x" * 3001)], "3000 characters"),
        ([section("")], "text"),
        ([{"type": "section"}], "text or fields"),
        ([{"type": "section", "fields": [plain("x")] * 11}], "10 items"),
        ([{"type": "section", "fields": [plain("x" * 2001)]}], "field of 2001 characters"),
        ([{"type": "header", "text": plain("x" * 151)}], "150 characters"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "header) needs plain_text"),
        ([{"type": "context", "elements": [plain("x")] * 11}], "10 elements"),
        ([{"type": "context", "elements": [button()]}], "cannot hold 'button'"),
        ([{**section("x"), "colour": "red"}], "property that does not exist: 'colour'"),
        ([{**section("x"), "block_id": "b"}, {**section("y"), "block_id": "b"}], "'b' is there twice"),
        ([{**section("x"), "block_id": "b" * 256}], "255 characters"),
        (actions(), "no elements"),
        (actions(*(button(action_id=str(n)) for n in range(26))), "25 elements"),
        (actions(button(), button()), "action_id 'a' twice"),
        (actions(button(text=plain("x" * 76))), "75 characters"),
        (actions(button(text={"type": "mrkdwn", "text": "x"})), "not plain_text"),
        (actions(button(value="x" * 2001)), "2000 characters"),
        (actions(button(action_id="x" * 256)), "255 characters"),
        (actions(button(style="blue")), "style"),
        (actions(button(size="big")), "property that does not exist: 'size'"),
        (
            actions(
                button(
                    confirm={
                        "title": plain("x" * 101),
                        "text": plain("x"),
                        "confirm": plain("y"),
                        "deny": plain("n"),
                    }
                )
            ),
            "100 characters",
        ),
        (
            actions(
                button(
                    confirm={
                        "title": plain("x"),
                        "text": plain("x" * 301),
                        "confirm": plain("y"),
                        "deny": plain("n"),
                    }
                )
            ),
            "300 characters",
        ),
        (actions(button(confirm={"title": plain("x"), "text": plain("x"), "deny": plain("n")})), "confirm"),
        (actions({"type": "plain_text_input", "action_id": "a"}), "cannot hold 'plain_text_input'"),
        ([{"type": "actions"}], "elements"),
    ],
)
def test_a_wrong_block_is_invalid_and_says_where(blocks, why):
    error, details = said(blocks=blocks)
    assert error == "invalid_blocks"
    assert why in details
    assert "/blocks" in details


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": ""}, "no_text"),
        ({"text": "", "blocks": []}, "no_text"),
        ({"metadata": {"event_type": "x"}}, "invalid_metadata_schema"),
        ({"metadata": "x"}, "invalid_metadata_format"),
        ({"metadata": {"event_type": "x", "event_payload": {"a": "x" * 9000}}}, "metadata_too_large"),
        ({"blocks": "[]"}, "invalid_blocks_format"),
        ({"attachments": [{}] * 101}, "too_many_attachments"),
        ({"attachments": [{"blocks": [{"type": "nonsense"}]}]}, "invalid_blocks"),
    ],
)
def test_a_wrong_message_has_slacks_word_for_it(body, error):
    assert said(**body)[0] == error


def test_blocks_without_text_are_taken_and_noted():
    error, details = said(text="", blocks=[section("x")])
    assert error is None
    assert "blocks without text" in details


def changed(**more):
    return {**copy.deepcopy(FORM), **more}


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (changed(title=plain("x" * 25)), "/title has 25 characters"),
        (changed(title=None), "/title is missing"),
        (changed(submit=None), "/submit is missing"),
        (changed(private_metadata="x" * 3001), "/private_metadata has 3001"),
        (changed(callback_id="x" * 256), "/callback_id has 256"),
        (changed(type="window"), "is 'window'"),
        (changed(blocks=[]), "at least one block"),
        (changed(blocks=[section("x")] * 101), "101 blocks of 100"),
        (changed(blocks=[{"type": "nonsense"}]), "does not exist"),
        ("text", "is not an object"),
        (
            changed(
                blocks=[
                    {
                        "type": "input",
                        "label": plain("x"),
                        "element": {"type": "plain_text_input", "action_id": "a", "max_length": 3001},
                    }
                ]
            ),
            "length of 0 to 3001",
        ),
        (
            changed(blocks=[{"type": "input", "label": plain("x"), "element": {"type": "plain_text_input"}}]),
            "without action_id",
        ),
    ],
)
def test_a_wrong_modal_says_where(view, why):
    faults = view_faults(view)
    assert refusal(faults) == "invalid_arguments"
    assert why in " | ".join(fault.detail for fault in faults)


def test_a_fine_modal_breaks_no_rule():
    assert view_faults(FORM) == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "without options"),
        ({"options": [{"text": plain("x"), "value": "v"}] * 101}, "101 options of 100"),
        ({"options": [{"text": plain("x" * 76), "value": "v"}]}, "text has 76"),
        ({"option_groups": [{"options": [{"text": plain("x"), "value": ""}]}]}, "value has 0"),
    ],
)
def test_wrong_options_say_where(answer, why):
    assert why in " | ".join(fault.detail for fault in options_faults(answer))


def test_a_fine_manifest_breaks_no_rule():
    assert manifest_faults(MANIFEST) == ()


def manifest_with(path, value):
    manifest = copy.deepcopy(MANIFEST)
    part = manifest
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return manifest


COMMANDS = ("features", "slash_commands")


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (COMMANDS, [{"command": "ask", "description": "x"}], "does not start with a slash"),
        (COMMANDS, [{"command": "/" + "x" * 32, "description": "x"}], "33 characters, not 2 to 32"),
        (COMMANDS, [{"command": "/Ask", "description": "x"}], "spaces or capitals"),
        (COMMANDS, [{"command": "/status", "description": "x"}], "'/status' is one of Slack's own"),
        (COMMANDS, [{"command": "/ask", "description": ""}], "description has 0 characters"),
        (COMMANDS, [{"command": "/ask", "description": "x"}] * 2, "there twice"),
        (COMMANDS, [{"command": f"/a{n}", "description": "x"} for n in range(51)], "51 commands of 50"),
        (COMMANDS, [{"command": "/ask", "description": "x", "icon": "y"}], "/icon does not exist"),
        (("settings", "socket_mode_enabled"), False, "/url is missing, and socket mode is off"),
        (("settings", "socket_mode_enabled"), "yes", "not true or false"),
        (("oauth_config", "scopes", "bot"), ["commands", "everything"], "'everything', which does not exist"),
        (("oauth_config", "scopes", "bot"), ["chat:write"], "lacks 'commands'"),
        (("oauth_config", "scopes", "bot"), ["commands"], "lacks 'app_mentions:read'"),
        (("settings", "event_subscriptions", "bot_events"), ["thunder"], "'thunder', which does not exist"),
        (("features", "bot_user"), None, "/features/bot_user is missing"),
        (("display_information", "background_color"), "red", "not a colour"),
        (("colour",), "red", "/colour does not exist"),
    ],
)
def test_a_wrong_manifest_says_where(path, value, why):
    assert why in " | ".join(manifest_faults(manifest_with(path, value)))


def test_a_wrong_message_is_refused_over_the_wire_and_kept_as_a_problem():
    async def play():
        async with on_socket() as (fake, app, _, _):
            ada, ops = fake.add_person("ada"), fake.add_channel("ops")
            with pytest.raises(SlackApiError) as caught:
                await app.client.chat_postMessage(channel=ops, text="x", blocks=[{"type": "nonsense"}])
            assert caught.value.response["error"] == "invalid_blocks"
            assert "does not exist: 'nonsense'" in caught.value.response["response_metadata"]["messages"][0]
            assert fake.messages(ops) == ()
            answer = await fake.type(ada, "/wrong", channel=ops)
            assert answer.failed == '/wrong failed with the error "invalid_blocks"'
            assert [problem.split(":")[0] for problem in fake.problems()] == [
                "chat.postMessage",
                "the acknowledgement of /wrong",
            ]

    asyncio.run(play())
