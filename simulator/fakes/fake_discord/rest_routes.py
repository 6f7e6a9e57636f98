"""The endpoints a bot like ours uses, in the order of Discord's reference."""

from typing import Final

from simulator.fakes.fake_discord import shapes
from simulator.fakes.fake_discord.posting import Platform
from simulator.fakes.fake_discord.refusals import Form, Json, Refused, unknown
from simulator.fakes.fake_discord.rest import Call, Handler, Reply, Route
from simulator.fakes.fake_discord.rest_commands import command_routes
from simulator.fakes.fake_discord.talks import Talks
from simulator.fakes.fake_discord.world import THREADS, Message

_ARCHIVE_AFTER_MIN: Final = (60, 1440, 4320, 10080)


def all_routes(platform: Platform, talks: Talks, *, gateway_url: str) -> list[Route]:
    """Return every endpoint this fake has."""
    return [
        *_who_am_i(platform, gateway_url),
        *command_routes(platform),
        *_interactions(platform, talks),
        *_messages(platform),
        *_channels(platform),
        *_guilds(platform),
    ]


def _route(endpoint: str, handler: Handler, *, needs_bot: bool = True) -> Route:
    method, _, template = endpoint.partition(" ")
    return Route(method=method, template=template, handler=handler, needs_bot=needs_bot)


def _who_am_i(platform: Platform, gateway_url: str) -> list[Route]:
    world = platform.world

    def me(_: Call) -> Reply:
        own = {"verified": True, "mfa_enabled": True, "flags": 0, "locale": "en-US", "email": None}
        return Reply(body=shapes.user(world, world.bot) | own)

    def application(_: Call) -> Reply:
        return Reply(
            body={
                "id": world.application, "name": world.bot_name, "icon": None, "description": "",
                "bot_public": False, "bot_require_code_grant": False, "verify_key": "00" * 32, "flags": 0,
                "owner": shapes.user(world, world.owner), "team": None, "bot": shapes.user(world, world.bot),
                "interactions_endpoint_url": None, "redirect_uris": [], "approximate_guild_count": 1,
            }
        )  # fmt: skip

    def gateway(_: Call) -> Reply:
        return Reply(body={"url": gateway_url})

    def gateway_for_bots(_: Call) -> Reply:
        starts = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        return Reply(body={"url": gateway_url, "shards": 1, "session_start_limit": starts})

    def somebody(call: Call) -> Reply:
        account = call.match["user_id"]
        if account not in world.people and account != world.bot:
            raise unknown("User")
        return Reply(body=shapes.user(world, account))

    def guilds(_: Call) -> Reply:
        about = {"id": world.guild, "name": world.guild_name, "icon": None, "banner": None, "owner": False}
        return Reply(body=[about | {"permissions": "0", "features": []}])

    def open_direct(call: Call) -> Reply:
        # An id in a body may be a number, and discord.py sends one.
        recipient = str(call.table.get("recipient_id") or "")
        form = Form()
        form.text(recipient, ["recipient_id"], 20, required=True)
        form.check()
        return Reply(body=shapes.channel(world, platform.open_direct(recipient)))

    return [
        _route("GET /users/@me", me),
        _route("GET /applications/@me", application),
        _route("GET /oauth2/applications/@me", application),
        _route("GET /gateway", gateway, needs_bot=False),
        _route("GET /gateway/bot", gateway_for_bots),
        _route("GET /users/@me/guilds", guilds),
        _route("POST /users/@me/channels", open_direct),
        _route("GET /users/{user_id}", somebody),
    ]


def _interactions(platform: Platform, talks: Talks) -> list[Route]:
    def callback(call: Call) -> Reply:
        told = talks.callback(call.match["interaction_id"], call.match["token"], call.table, call.uploads)
        return Reply(body=told if call.query.get("with_response", "").lower() in ("true", "1") else None)

    def follow_up(call: Call) -> Reply:
        talk = talks.by_token(call.match["application_id"], call.match["token"])
        return Reply(body=platform.shape(talks.follow_up(talk, call.table, call.uploads)))

    def read(call: Call) -> Reply:
        talk = talks.by_token(call.match["application_id"], call.match["token"])
        return Reply(body=platform.shape(talks.find(talk, call.match["message_id"])))

    def edit(call: Call) -> Reply:
        talk = talks.by_token(call.match["application_id"], call.match["token"])
        return Reply(
            body=platform.shape(talks.edit(talk, call.match["message_id"], call.table, call.uploads))
        )

    def remove(call: Call) -> Reply:
        talk = talks.by_token(call.match["application_id"], call.match["token"])
        platform.remove(talks.find(talk, call.match["message_id"]), via=talk.token)
        return Reply()

    through = "/webhooks/{application_id}/{token}"
    return [
        _route("POST /interactions/{interaction_id}/{token}/callback", callback, needs_bot=False),
        _route(f"POST {through}", follow_up, needs_bot=False),
        _route(f"GET {through}/messages/{{message_id}}", read, needs_bot=False),
        _route(f"PATCH {through}/messages/{{message_id}}", edit, needs_bot=False),
        _route(f"DELETE {through}/messages/{{message_id}}", remove, needs_bot=False),
    ]


def _messages(platform: Platform) -> list[Route]:
    world = platform.world

    def own(call: Call) -> Message:
        stored = world.message(call.match["channel_id"], call.match["message_id"])
        if stored.author != world.bot:
            raise Refused(403, 50005, "Cannot edit a message authored by another user")
        return stored

    def post(call: Call) -> Reply:
        return Reply(
            body=platform.shape(platform.post(call.table, call.uploads, channel=call.match["channel_id"]))
        )

    def listed(call: Call) -> Reply:
        found = world.written_in(world.channel(call.match["channel_id"]).id)
        before, after = call.number("before", 1 << 63), call.number("after", 0)
        found = [one for one in found if after < int(one.id) < before]
        most = min(call.number("limit", 50), 100)
        # The newest, newest first; with `after` the ones that follow it.
        chosen = found[:most] if "after" in call.query else found[-most:]
        return Reply(body=[platform.shape(one) for one in reversed(chosen)])

    def read(call: Call) -> Reply:
        return Reply(body=platform.shape(world.message(call.match["channel_id"], call.match["message_id"])))

    def edit(call: Call) -> Reply:
        stored = own(call)
        platform.edit(stored, call.table, call.uploads)
        return Reply(body=platform.shape(stored))

    def remove(call: Call) -> Reply:
        platform.remove(world.message(call.match["channel_id"], call.match["message_id"]))
        return Reply()

    at = "/channels/{channel_id}/messages"
    return [
        _route(f"POST {at}", post),
        _route(f"GET {at}", listed),
        _route(f"GET {at}/{{message_id}}", read),
        _route(f"PATCH {at}/{{message_id}}", edit),
        _route(f"DELETE {at}/{{message_id}}", remove),
    ]


def _channels(platform: Platform) -> list[Route]:
    world = platform.world

    def read(call: Call) -> Reply:
        return Reply(body=shapes.channel(world, world.channel(call.match["channel_id"])))

    def change(call: Call) -> Reply:
        place = world.channel(call.match["channel_id"])
        form = Form()
        form.text(call.table.get("name"), ["name"], 100, shortest=1)
        form.check()
        platform.change_channel(place, call.table)
        return Reply(body=shapes.channel(world, place))

    def typing(call: Call) -> Reply:
        world.channel(call.match["channel_id"])
        return Reply()

    def thread(call: Call) -> Reply:
        _check_thread(call.table)
        parent = world.channel(call.match["channel_id"])
        if parent.kind in THREADS:
            raise Refused(400, 50024, "Cannot execute action on this channel type")
        starter = None
        if "message_id" in call.match:
            starter = world.message(parent.id, call.match["message_id"])
        place = platform.start_thread(call.table, parent=parent.id, starter=starter)
        return Reply(body=shapes.channel(world, place), status=201)

    def join(call: Call) -> Reply:
        world.channel(call.match["channel_id"])
        return Reply()

    return [
        _route("GET /channels/{channel_id}", read),
        _route("PATCH /channels/{channel_id}", change),
        _route("POST /channels/{channel_id}/typing", typing),
        _route("POST /channels/{channel_id}/messages/{message_id}/threads", thread),
        _route("POST /channels/{channel_id}/threads", thread),
        _route("PUT /channels/{channel_id}/thread-members/@me", join),
        _route("PUT /channels/{channel_id}/thread-members/{user_id}", join),
    ]


def _check_thread(body: Json) -> None:
    form = Form()
    form.text(body.get("name"), ["name"], 100, shortest=1, required=True)
    if body.get("type") is not None:
        form.one_of(body["type"], ["type"], (10, *THREADS))
    if body.get("auto_archive_duration") is not None:
        form.one_of(body["auto_archive_duration"], ["auto_archive_duration"], _ARCHIVE_AFTER_MIN)
    form.check()


def _guilds(platform: Platform) -> list[Route]:
    world = platform.world

    def here(call: Call) -> None:
        if call.match["guild_id"] != world.guild:
            raise unknown("Guild")

    def read(call: Call) -> Reply:
        here(call)
        return Reply(body=shapes.guild(world))

    def channels(call: Call) -> Reply:
        here(call)
        return Reply(body=[shapes.channel(world, one) for one in world.channels.values() if one.kind == 0])

    def roles(call: Call) -> Reply:
        here(call)
        return Reply(body=[shapes.everyone(world), shapes.bot_role(world)])

    def threads(call: Call) -> Reply:
        here(call)
        found = [one for one in world.channels.values() if one.kind in THREADS and not one.archived]
        return Reply(body={"threads": [shapes.channel(world, one) for one in found], "members": []})

    def members(call: Call) -> Reply:
        here(call)
        accounts = sorted([*world.people, world.bot], key=int)
        accounts = [one for one in accounts if int(one) > call.number("after", 0)]
        most = min(call.number("limit", 1), 1000)
        return Reply(body=[_member(platform, one) for one in accounts[:most]])

    def member(call: Call) -> Reply:
        here(call)
        return Reply(body=_member(platform, call.match["user_id"]))

    at = "/guilds/{guild_id}"
    return [
        _route(f"GET {at}", read),
        _route(f"GET {at}/channels", channels),
        _route(f"GET {at}/roles", roles),
        _route(f"GET {at}/threads/active", threads),
        _route(f"GET {at}/members", members),
        _route(f"GET {at}/members/{{user_id}}", member),
    ]


def _member(platform: Platform, account: str) -> Json:
    world = platform.world
    if account == world.bot:
        return shapes.bot_member(world)
    if account not in world.people:
        raise unknown("Member")
    return shapes.member(world, account)
