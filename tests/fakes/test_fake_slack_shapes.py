"""What the fake sends has the shape of what Slack was seen to send, field by field."""

import json

import pytest

from simulator.fakes.fake_slack import methods_chat, methods_reading, payloads
from simulator.fakes.fake_slack.workspace import BOT_USER_ID, View, Workspace
from tests.fakes.slack_bot import FORM, question
from tests.importers.shared_data import DATA

LOGS = DATA.parent / "specs" / "slack" / "json-logs"
OPEN = {"blocks", "metadata", "event_payload", "values", "private_metadata", "state"}
"""Parts whose fields the bot chooses."""
UNRECORDED = {"app_id", "response_urls"}
"""Fields the recordings lack in places: documented, and recorded elsewhere (`app_id` of a posted message)."""


def recorded(name):
    path = LOGS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"../shared/specs/slack/json-logs/{name}.json is not here")
    return json.loads(path.read_text())


def strangers(sent, known, where=""):
    """Name each field that was never seen in a recorded one."""
    if isinstance(sent, list):
        for item in sent:
            if isinstance(known, list) and known:
                yield from strangers(item, known[0], where)
    elif isinstance(sent, dict) and isinstance(known, dict) and known:
        for key, value in sent.items():
            if key not in known and key not in UNRECORDED | OPEN:
                yield f"{where}/{key}"
            elif key not in OPEN:
                yield from strangers(value, known.get(key), f"{where}/{key}")


@pytest.fixture
def workspace():
    made = Workspace(clock=lambda: 1_800_000_000.25)
    made.ada, made.ops = made.add_person("ada"), made.add_channel("ops")
    made.asked = made.post(channel=made.ops.id, author=BOT_USER_ID, text="x", blocks=question(made.ada.id))
    made.view = View(id="V1", account=made.ada.id, content=FORM, hash="h", root="V1")
    return made


def sent(workspace):
    """One payload of every kind, by the name of its recording."""
    asked, view, ada, ops = workspace.asked, workspace.view, workspace.ada.id, workspace.ops.id
    said = workspace.post(channel=ops, author=ada, text=f"<@{BOT_USER_ID}> status")
    once = {"account": ada, "response_url": "https://example.com", "trigger_id": "t"}
    action = {"action_id": "a", "block_id": "b", "type": "button", "value": "v"}

    def event(content):
        return payloads.event_callback(workspace, content)

    return {
        "app-backend/slash-commands/SlashCommandPayload": payloads.slash_command(
            workspace, channel=ops, command="/ask", text="x", **once
        ),
        "app-backend/interactive-components/BlockActionPayload": payloads.block_actions(
            workspace, message=asked, action=action, **once
        ),
        "app-backend/views/ViewSubmissionPayload": payloads.view_submission(
            workspace, view=view, values={}, trigger_id="t"
        ),
        "app-backend/views/ViewClosedPayload": payloads.view_closed(workspace, view=view, is_cleared=False),
        "events/AppMentionPayload": event(payloads.mention_event(said)),
        "events/MessagePayload": event(payloads.message_event(workspace, asked)),
        "events/MessageChangedPayload": event(payloads.changed_event(workspace, asked, asked.json())),
        "events/MessageDeletedPayload": event(payloads.deleted_event(workspace, asked)),
    }


KINDS = [
    "app-backend/slash-commands/SlashCommandPayload",
    "app-backend/interactive-components/BlockActionPayload",
    "app-backend/views/ViewSubmissionPayload",
    "app-backend/views/ViewClosedPayload",
    "events/AppMentionPayload",
    "events/MessagePayload",
    "events/MessageChangedPayload",
    "events/MessageDeletedPayload",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_payload_has_no_field_slack_never_sends(workspace, kind):
    assert list(strangers(sent(workspace)[kind], recorded(kind))) == []


@pytest.mark.parametrize(
    "kind", ["app-backend/slash-commands/SlashCommandPayload", "app-backend/views/ViewSubmissionPayload"]
)
def test_a_payload_lacks_only_what_belongs_to_an_enterprise_or_a_workflow(workspace, kind):
    missing = recorded(kind).keys() - sent(workspace)[kind].keys()
    of_others = (
        "enterprise_id enterprise_name bot_access_token function_data interactivity is_cleared".split()
    )
    assert missing <= set(of_others)


def test_people_channels_and_messages_look_like_slacks(workspace):
    shown = {
        "api/users.info": {"user": workspace.ada.json(now=1.0)},
        "api/conversations.info": {"channel": workspace.ops.json()},
        "api/chat.postMessage": {"message": workspace.asked.json()},
        "api/views.open": {"view": workspace.view.json()},
    }
    unseen = {name: list(strangers(one, recorded(name))) for name, one in shown.items()}
    assert unseen == {name: [] for name in shown}


def test_every_recorded_method_is_answered():
    recorded("api/auth.test")
    wanted = {path.stem for path in (LOGS / "api").glob("*.json")}
    assert wanted <= methods_chat.METHODS.keys() | methods_reading.METHODS.keys()


def test_the_shape_check_can_fail():
    assert list(strangers({"a": {"b": 1}}, {"a": {"c": 1}})) == ["/a/b"]
    assert list(strangers({"d": 1}, {"a": 1})) == ["/d"]
