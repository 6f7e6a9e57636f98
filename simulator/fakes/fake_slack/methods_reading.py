"""Web API methods that read: who and where one is, channels, people, history."""

import base64
from collections.abc import Sequence
from typing import Any, Final

from simulator.fakes.fake_slack.calls import Call, Method, method
from simulator.fakes.fake_slack.refused import Refused
from simulator.fakes.fake_slack.workspace import (
    APP_ID,
    BOT_ID,
    BOT_USER_ID,
    TEAM_DOMAIN,
    TEAM_ID,
    TEAM_NAME,
    Channel,
    Json,
    Message,
)

METHODS: dict[str, Method] = {}
_READ: Final = {"channel": "channels:read", "group": "groups:read", "im": "im:read"}
_HISTORY: Final = {"channel": "channels:history", "group": "groups:history", "im": "im:history"}


def _page(call: Call, items: Sequence[Any], *, most: int) -> tuple[list[Any], Json]:
    """Cut a page out of a list: `limit` and `cursor` as Slack has them."""
    start = int(base64.b64decode(call.args["cursor"])) if call.args.get("cursor") else 0
    end = start + min(int(call.args.get("limit") or most), most)
    following = base64.b64encode(str(end).encode()).decode() if end < len(items) else ""
    return list(items[start:end]), {"next_cursor": following}


def _member(call: Call, scopes: dict[str, str]) -> Channel:
    channel = call.channel()
    call.needs(scopes[channel.kind])
    return channel


@method(METHODS, "api.test")
def api_test(call: Call) -> Json:
    """Say that the service is there."""
    return {"args": call.args}


@method(METHODS, "auth.test")
def auth_test(call: Call) -> Json:
    """Say who the token is."""
    return {
        "url": f"https://{TEAM_DOMAIN}.slack.com/",
        "team": TEAM_NAME,
        "user": call.desk.workspace.name_of(BOT_USER_ID),
        "team_id": TEAM_ID,
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "app_id": APP_ID,
        "is_enterprise_install": False,
    }


@method(METHODS, "apps.connections.open", "connections:write", app_level=True)
def connections_open(call: Call) -> Json:
    """Give out the address of a web socket."""
    return {"url": call.desk.socket_mode.new_url(call.desk.base_url())}


@method(METHODS, "bots.info", "users:read")
def bots_info(call: Call) -> Json:
    """Describe a bot."""
    if call.args.get("bot", BOT_ID) != BOT_ID:
        raise Refused("bot_not_found")
    name = call.desk.workspace.name_of(BOT_USER_ID)
    return {"bot": {"id": BOT_ID, "deleted": False, "name": name, "updated": 0, "app_id": APP_ID,
                    "user_id": BOT_USER_ID, "icons": {}}}  # fmt: skip


@method(METHODS, "team.info", "team:read")
def team_info(_: Call) -> Json:
    """Describe the workspace."""
    return {"team": {"id": TEAM_ID, "name": TEAM_NAME, "domain": TEAM_DOMAIN, "email_domain": "", "icon": {}}}


# ---------------------------------------------------------------- people


@method(METHODS, "users.info", "users:read")
def users_info(call: Call) -> Json:
    """Describe a person."""
    person = call.desk.workspace.people.get(call.text("user"))
    if person is None:
        raise Refused("user_not_found")
    return {"user": person.json(now=call.desk.workspace.clock())}


@method(METHODS, "users.list", "users:read")
def users_list(call: Call) -> Json:
    """List everybody."""
    people, more = _page(call, list(call.desk.workspace.people.values()), most=200)
    now = call.desk.workspace.clock()
    return {"members": [p.json(now=now) for p in people], "cache_ts": int(now), "response_metadata": more}


@method(METHODS, "users.lookupByEmail", "users:read.email")
def users_by_email(call: Call) -> Json:
    """Find a person by address."""
    now = call.desk.workspace.clock()
    for person in call.desk.workspace.people.values():
        shown = person.json(now=now)
        if shown["profile"]["email"] == call.text("email"):
            return {"user": shown}
    raise Refused("users_not_found")


# ---------------------------------------------------------------- channels


@method(METHODS, "conversations.open", "im:write")
def conversations_open(call: Call) -> Json:
    """Open the direct messages with a person."""
    accounts = str(call.args.get("users") or "").split(",")
    if len(accounts) != 1:
        raise Refused("method_not_supported_for_channel_type")
    person = call.desk.workspace.people.get(accounts[0])
    if person is None or person.is_bot:
        raise Refused("user_not_found")
    return {"channel": call.desk.workspace.direct_channel(person.id).json()}


@method(METHODS, "conversations.info")
def conversations_info(call: Call) -> Json:
    """Describe a channel."""
    return {"channel": _member(call, _READ).json()}


@method(METHODS, "conversations.members")
def conversations_members(call: Call) -> Json:
    """List who is in a channel."""
    members, more = _page(call, sorted(_member(call, _READ).members), most=1000)
    return {"members": members, "response_metadata": more}


@method(METHODS, "conversations.list")
def conversations_list(call: Call) -> Json:
    """List channels; public ones unless `types` says otherwise."""
    types = str(call.args.get("types") or "public_channel").split(",")
    kinds = {"public_channel": "channel", "private_channel": "group", "im": "im"}
    wanted = {kinds[kind] for kind in types if kind in kinds}
    for kind in wanted:
        call.needs(_READ[kind])
    channels = [
        channel
        for channel in call.desk.workspace.channels.values()
        if channel.kind in wanted and (BOT_USER_ID in channel.members or not channel.is_private)
    ]
    page, more = _page(call, channels, most=1000)
    return {"channels": [channel.json() for channel in page], "response_metadata": more}


@method(METHODS, "conversations.join", "channels:join")
def conversations_join(call: Call) -> Json:
    """Join a channel."""
    channel = call.channel()
    if channel.kind != "channel":
        raise Refused("method_not_supported_for_channel_type")
    was_in = BOT_USER_ID in channel.members
    if not was_in:
        call.desk.news.of_joining(channel)
    return {"channel": channel.json(), **({"warning": "already_in_channel"} if was_in else {})}


def _read(call: Call) -> Channel:
    channel = _member(call, _HISTORY)
    if BOT_USER_ID not in channel.members:
        raise Refused("not_in_channel")
    return channel


@method(METHODS, "conversations.history")
def conversations_history(call: Call) -> Json:
    """List a channel's messages, the newest first; threads and what one person alone sees left out."""
    channel = _read(call)
    oldest, latest = str(call.args.get("oldest") or "0"), str(call.args.get("latest") or "9999999999")
    edges = str(call.args.get("inclusive", "")).lower() in {"1", "true"}

    def fits(message: Message) -> bool:
        if message.channel != channel.id or message.to is not None:
            return False
        if message.thread_ts not in {None, message.ts} and not message.broadcast:
            return False
        at = float(message.ts)
        inside = float(oldest) < at < float(latest)
        return inside or (edges and message.ts in {oldest, latest})

    found = [message for message in reversed(call.desk.workspace.posts.values()) if fits(message)]
    page, more = _page(call, found, most=999)
    shown = [_with_replies(call, message) for message in page]
    return {"messages": shown, "has_more": bool(more["next_cursor"]), "response_metadata": more}


@method(METHODS, "conversations.replies")
def conversations_replies(call: Call) -> Json:
    """List a thread, its first message first."""
    channel, ts = _read(call), call.text("ts")
    parent = call.desk.workspace.posts.get(ts)
    replies = call.desk.workspace.replies(ts)
    if (parent is None or parent.channel != channel.id) and not replies:
        raise Refused("thread_not_found")
    first = [_with_replies(call, parent)] if parent is not None else []
    page, more = _page(call, [*first, *(reply.json() for reply in replies)], most=1000)
    return {"messages": page, "has_more": bool(more["next_cursor"]), "response_metadata": more}


def _with_replies(call: Call, message: Message) -> Json:
    replies = call.desk.workspace.replies(message.ts)
    shown = message.json()
    if replies:
        authors = list(dict.fromkeys(reply.author for reply in replies))
        shown |= {"thread_ts": message.ts, "reply_count": len(replies), "reply_users": authors,
                  "reply_users_count": len(authors), "latest_reply": replies[-1].ts}  # fmt: skip
    return shown
