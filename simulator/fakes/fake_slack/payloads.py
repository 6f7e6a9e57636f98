"""The shapes in which Slack tells a bot what people do."""

import copy

from simulator.fakes.fake_slack.workspace import (
    APP_ID,
    BOT_USER_ID,
    TEAM_DOMAIN,
    TEAM_ID,
    Json,
    Message,
    View,
    Workspace,
)

_TOKEN = "verification-token-deprecated"  # noqa: S105 - Slack still sends one, and nobody may rely on it


def slash_command(
    workspace: Workspace,
    *,
    account: str,
    channel: str,
    command: str,
    text: str,
    response_url: str,
    trigger_id: str,
) -> Json:
    """Return what a typed command becomes."""
    return {
        "token": _TOKEN,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel,
        "channel_name": workspace.channel_name(channel),
        "user_id": account,
        "user_name": workspace.name_of(account),
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def _interaction(workspace: Workspace, kind: str, account: str) -> Json:
    name = workspace.name_of(account)
    return {
        "type": kind,
        "user": {"id": account, "username": name, "name": name, "team_id": TEAM_ID},
        "api_app_id": APP_ID,
        "token": _TOKEN,
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def block_actions(
    workspace: Workspace, *, account: str, message: Message, action: Json, response_url: str, trigger_id: str
) -> Json:
    """Return what a pressed button of a message becomes."""
    is_ephemeral = message.to is not None
    payload = _interaction(workspace, "block_actions", account)
    payload |= {
        "container": {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": is_ephemeral,
            **({"thread_ts": message.thread_ts} if message.thread_ts else {}),
        },
        "trigger_id": trigger_id,
        "channel": {"id": message.channel, "name": workspace.channel_name(message.channel)},
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [{**action, "action_ts": workspace.new_ts()}],
    }
    # Slack keeps no copy of a message that only one person sees, so it cannot send it along.
    if not is_ephemeral:
        payload["message"] = message.json()
    return payload


def view_submission(workspace: Workspace, *, view: View, values: Json, trigger_id: str) -> Json:
    """Return what a modal that was sent becomes."""
    payload = _interaction(workspace, "view_submission", view.account)
    return payload | {"trigger_id": trigger_id, "view": view.json(values=values), "response_urls": []}


def view_closed(workspace: Workspace, *, view: View, is_cleared: bool) -> Json:
    """Return what a modal that was closed becomes."""
    payload = _interaction(workspace, "view_closed", view.account)
    return payload | {"view": view.json(), "is_cleared": is_cleared}


def block_suggestion(workspace: Workspace, *, view: View, block: Json, value: str) -> Json:
    """Return what the first letters typed into an external select become."""
    payload = _interaction(workspace, "block_suggestion", view.account)
    return payload | {
        "container": {"type": "view", "view_id": view.id},
        "action_id": block["element"]["action_id"],
        "block_id": block["block_id"],
        "value": value,
        "view": view.json(),
    }


def event_callback(workspace: Workspace, event: Json) -> Json:
    """Return the envelope of an event, with an id of its own."""
    return {
        "token": _TOKEN,
        "team_id": TEAM_ID,
        "api_app_id": APP_ID,
        "event": event,
        "type": "event_callback",
        "event_id": workspace.new_id("Ev"),
        "event_time": int(workspace.clock()),
        "event_context": f"4-{workspace.new_id('ctx')}",
        "is_ext_shared_channel": False,
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM_ID,
                "user_id": BOT_USER_ID,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
    }


def message_event(workspace: Workspace, message: Message) -> Json:
    """Return the event of a new message."""
    return {
        **message.json(),
        "channel": message.channel,
        "channel_type": workspace.channels[message.channel].kind,
        "event_ts": message.ts,
    }


def changed_event(workspace: Workspace, message: Message, before: Json) -> Json:
    """Return the event of an edited message."""
    return _hidden(
        workspace, "message_changed", message, {"message": message.json(), "previous_message": before}
    )


def deleted_event(workspace: Workspace, message: Message) -> Json:
    """Return the event of a message that was deleted."""
    return _hidden(
        workspace, "message_deleted", message, {"deleted_ts": message.ts, "previous_message": message.json()}
    )


def _hidden(workspace: Workspace, subtype: str, message: Message, more: Json) -> Json:
    ts = workspace.new_ts()
    return {
        "type": "message",
        "subtype": subtype,
        "hidden": True,
        "channel": message.channel,
        "channel_type": workspace.channels[message.channel].kind,
        "ts": ts,
        "event_ts": ts,
        **copy.deepcopy(more),
    }


def mention_event(message: Message) -> Json:
    """Return the event of a message that speaks to the bot in a channel."""
    shown = message.json()
    shown.pop("metadata", None)
    return {**shown, "type": "app_mention", "channel": message.channel, "event_ts": message.ts}
