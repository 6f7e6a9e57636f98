"""Menus, pickers and boxes are filled in by their words, in messages and in modals."""

import copy
import socket

import aiohttp
import pytest
from click.testing import CliRunner

from tests.fakes.slack_bot import MANIFEST, on_socket, plain
from watchkeeper.commands_fake_slack import fake_slack


def option(word):
    return {"text": plain(word), "value": word.lower()}


def field(label, element, **more):
    return {
        "type": "input",
        "block_id": label,
        "label": plain(label),
        "element": {"action_id": "x", **element},
        **more,
    }


COLOURS = [option("Red"), option("Green")]
MANY = {
    "type": "modal",
    "callback_id": "many",
    "title": plain("Everything"),
    "submit": plain("Send"),
    "blocks": [
        field("One", {"type": "static_select", "options": COLOURS, "initial_option": COLOURS[0]}),
        field("Some", {"type": "checkboxes", "options": COLOURS}, optional=True),
        field("Radio", {"type": "radio_buttons", "options": COLOURS}),
        field(
            "Grouped", {"type": "static_select", "option_groups": [{"label": plain("g"), "options": COLOURS}]}
        ),
        field("Day", {"type": "datepicker", "initial_date": "2026-01-31"}),
        field("Who", {"type": "users_select"}),
        field("Where", {"type": "conversations_select"}),
        field("Count", {"type": "number_input", "is_decimal_allowed": False}),
        field("Words", {"type": "plain_text_input", "min_length": 3}),
    ],
}
FILLED = {
    "Some": "Red, Green", "Radio": "Green", "Grouped": "Red", "Who": "ada", "Where": "ops", "Count": "3",
    "Words": "abc",
}  # fmt: skip


def with_command(name):
    manifest = copy.deepcopy(MANIFEST)
    manifest["features"]["slash_commands"].append({"command": name, "description": "Opens a form."})
    return manifest


@pytest.mark.asyncio
async def test_every_kind_of_field_arrives_as_slack_sends_it():
    async with on_socket(manifest=with_command("/many")) as (fake, app, heard, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")

        @app.command("/many")
        async def many(ack, client, command):
            await ack()
            await client.views_open(trigger_id=command["trigger_id"], view=MANY)

        @app.view("many")
        async def sent(ack, view):
            await ack()
            heard.append({block: state["x"] for block, state in view["state"]["values"].items()})

        form = (await fake.type(ada, "/many", channel=ops)).modal
        assert [f.value for f in form.fields][:5] == ["Red", "", "", "", "2026-01-31"]
        wrong = (await fake.fill(ada, form, {**FILLED, "Count": "many", "Words": "x"})).modal
        assert {f.label: f.problem for f in wrong.fields if f.problem} == {
            "Count": "Please enter a number.",
            "Words": "Please enter at least 3 characters.",
        }
        with pytest.raises(LookupError, match="Radio has no option 'Blue'; it has: Red, Green"):
            await fake.fill(ada, form, {**FILLED, "Radio": "Blue"})
        await fake.fill(ada, form, FILLED, settle_s=0.2)
        assert heard == [{
            "One": {"type": "static_select", "selected_option": COLOURS[0]},
            "Some": {"type": "checkboxes", "selected_options": COLOURS},
            "Radio": {"type": "radio_buttons", "selected_option": COLOURS[1]},
            "Grouped": {"type": "static_select", "selected_option": COLOURS[0]},
            "Day": {"type": "datepicker", "selected_date": "2026-01-31"},
            "Who": {"type": "users_select", "selected_user": ada},
            "Where": {"type": "conversations_select", "selected_conversation": ops},
            "Count": {"type": "number_input", "value": "3"},
            "Words": {"type": "plain_text_input", "value": "abc"},
        }]  # fmt: skip
        assert fake.problems() == ()


@pytest.mark.asyncio
async def test_a_menu_of_a_message_is_chosen_from_by_words():
    async with on_socket() as (fake, app, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")

        @app.action("menu")
        async def chosen(ack, action, respond):
            await ack()
            await respond(f"chose {action['selected_option']['value']}")

        menu = {"type": "overflow", "action_id": "menu", "options": COLOURS}
        blocks = [{"type": "section", "text": plain("Choose."), "accessory": menu}]
        ts = (await app.client.chat_postMessage(channel=ops, text="Choose.", blocks=blocks))["ts"]
        assert (await fake.press(ada, ts, "Green")).text == "chose green"
        with pytest.raises(LookupError, match="there are: Red, Green"):
            await fake.press(ada, ts, "Blue")


@pytest.mark.asyncio
async def test_a_listener_that_answers_a_press_with_words_is_told_that_nobody_reads_them():
    async with on_socket() as (fake, app, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")

        @app.action("lost")
        async def lost(ack):
            await ack("these words are lost")

        button = {"type": "button", "action_id": "lost", "text": plain("Go")}
        blocks = [{"type": "actions", "elements": [button]}]
        ts = (await app.client.chat_postMessage(channel=ops, text="x", blocks=blocks))["ts"]
        assert (await fake.press(ada, ts, "Go", settle_s=0.1)).screens == ()
        assert fake.problems() == ("the acknowledgement of block_actions: its words are shown to nobody",)


@pytest.mark.asyncio
async def test_a_file_may_come_as_a_form_and_must_be_as_long_as_announced():
    async with on_socket() as (fake, app, _, _), aiohttp.ClientSession() as session:
        announced = await app.client.files_getUploadURLExternal(filename="x.txt", length=3)
        for data, status in (({"file": b"abcd"}, 400), ({"file": b"abc"}, 200)):
            form = aiohttp.FormData()
            form.add_field("file", data["file"], filename="x.txt")
            async with session.post(announced["upload_url"], data=form) as answer:
                assert answer.status == status
        assert [p for p in fake.problems() if "4 bytes, 3 announced" in p]
        async with session.post(f"{fake.base_url}/upload/v1/F404", data=b"x") as answer:
            assert answer.status == 404


@pytest.mark.asyncio
async def test_a_response_url_refuses_what_says_nothing():
    async with on_socket() as (fake, _, heard, _), aiohttp.ClientSession() as session:
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        await fake.type(ada, "/hook", channel=ops)
        for body, error in (
            ("no json", "invalid_payload"),
            ("{}", "no_text"),
            ('{"text": "x", "response_type": "loud"}', "invalid_response_type"),
            ('{"text": "x", "blocks": [{"type": "nonsense"}]}', "invalid_blocks"),
        ):
            async with session.post(
                heard[0], data=body, headers={"Content-Type": "application/json"}
            ) as answer:
                assert (answer.status, (await answer.json())["error"]) == (400, error)
        async with session.post(f"{fake.base_url}/hooks/commands/T/1/x", json={"text": "x"}) as answer:
            assert answer.status == 404


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(fake_slack, ["--port", str(port)])
    assert f"cannot listen on port {port}" in str(result.exception)


def test_a_request_url_that_does_not_answer_is_named():
    result = CliRunner().invoke(fake_slack, ["--request-url", "http://127.0.0.1:9/slack/events"])
    assert "the request URL does not answer" in str(result.exception)
