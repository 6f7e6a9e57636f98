"""Things of the fake platform in the shapes that Discord sends them in."""

from datetime import UTC, datetime
from typing import Final

from simulator.fakes.fake_discord.refusals import Json
from simulator.fakes.fake_discord.world import (
    BOT,
    DIRECT,
    EVERYBODY,
    HAS_THREAD,
    THREADS,
    Channel,
    Message,
    World,
    pinged,
)

_WRITE: Final = str(1 << 11)
"""The permission to send messages."""
_FOUNDED: Final = "2024-01-01T00:00:00+00:00"


def stamp(at: float | None) -> str | None:
    """Return a time as ISO 8601; `None` stays `None`."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def user(world: World, account: str) -> Json:
    """Return a user; for who is not here, what is left of one who deleted the account."""
    is_bot = account == world.bot
    name = world.name_of(account)
    return {
        "id": account,
        "username": name if account in world.people or is_bot else f"deleted_user_{account}",
        "discriminator": "0",
        "global_name": None if is_bot else name,
        "avatar": None,
        "bot": is_bot,
        "public_flags": 0,
    }


def member(world: World, account: str, *, with_user: bool = True) -> Json:
    """Return a member of the guild."""
    shape: Json = {
        "nick": None,
        "avatar": None,
        "roles": [],
        "joined_at": _FOUNDED,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
    }
    return shape | {"user": user(world, account)} if with_user else shape


def channel(world: World, place: Channel) -> Json:
    """Return a channel, a thread or a direct conversation."""
    shape: Json = {"id": place.id, "type": place.kind, "last_message_id": place.newest}
    if place.kind == DIRECT:
        return shape | {"recipients": [user(world, place.recipient or "")], "flags": 0}
    shape |= {
        "guild_id": world.guild,
        "name": place.name,
        "parent_id": place.parent,
        "rate_limit_per_user": 0,
    }
    if place.kind in THREADS:
        started, count = stamp(place.created), len(world.written_in(place.id))
        return shape | {
            "owner_id": world.bot,
            "message_count": count,
            "member_count": 1,
            "total_message_sent": count,
            "flags": 0,
            "thread_metadata": {
                "archived": place.archived,
                "auto_archive_duration": place.archive_after_min,
                "archive_timestamp": started,
                "create_timestamp": started,
                "locked": False,
            },
        }
    denied = {"id": world.application, "type": 0, "allow": "0", "deny": _WRITE}
    return shape | {
        "position": 0,
        "permission_overwrites": [] if place.bot_may_write else [denied],
        "nsfw": False,
        "topic": None,
        "flags": 0,
    }


def everyone(world: World) -> Json:
    """Return the role every member has."""
    return {
        "id": world.guild,
        "name": "@everyone",
        "permissions": str(EVERYBODY),
        "position": 0,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def bot_role(world: World) -> Json:
    """Return the role the platform made for the bot when it joined."""
    role = everyone(world) | {"id": world.application, "name": world.bot_name, "permissions": str(BOT)}
    return role | {"position": 1, "managed": True, "tags": {"bot_id": world.bot}}


def bot_member(world: World) -> Json:
    """Return the bot as a member."""
    return member(world, world.bot) | {"roles": [world.application]}


def guild(world: World) -> Json:
    """Return the guild."""
    return {
        "id": world.guild,
        "name": world.guild_name,
        "icon": None,
        "owner_id": world.owner,
        "roles": [everyone(world), bot_role(world)],
        "emojis": [],
        "stickers": [],
        "features": [],
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "nsfw": False,
        "premium_tier": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": "en-US",
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "afk_channel_id": None,
        "afk_timeout": 300,
        "description": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "vanity_url_code": None,
        "application_id": None,
    }


def guild_created(world: World) -> Json:
    """Return the guild as the gateway introduces it."""
    places = list(world.channels.values())
    return guild(world) | {
        "joined_at": _FOUNDED,
        "large": False,
        "unavailable": False,
        "member_count": len(world.people) + 1,
        "members": [bot_member(world)],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "channels": [channel(world, one) for one in places if one.kind == 0],
        "threads": [channel(world, one) for one in places if one.kind in THREADS and not one.archived],
    }


def message(world: World, stored: Message, *, base_url: str = "") -> Json:
    """Return a message as the bot reads it."""
    users, roles, is_for_all = pinged(stored, world)
    shape: Json = {
        "id": stored.id,
        "channel_id": stored.channel,
        "type": 20 if stored.origin and stored.origin["type"] == 2 else 19 if stored.reference else 0,
        "author": user(world, stored.author),
        "content": stored.content,
        "timestamp": stamp(stored.created),
        "edited_timestamp": stamp(stored.edited),
        "tts": False,
        "mention_everyone": is_for_all,
        "mentions": [user(world, one) for one in users],
        "mention_roles": roles,
        "attachments": [one | {"url": base_url + one["url"], "proxy_url": base_url + one["url"]}
                        for one in stored.attachments],
        "embeds": stored.embeds,
        "components": stored.components,
        "pinned": False,
        "flags": stored.flags,
    }  # fmt: skip
    if stored.origin is not None:
        shape |= {"interaction_metadata": stored.origin}
    if stored.author == world.bot and stored.origin is not None:
        shape |= {"application_id": world.application, "webhook_id": world.application}
    if stored.reference is not None:
        shape |= {"message_reference": stored.reference}
    if stored.nonce is not None:
        shape |= {"nonce": stored.nonce}
    if stored.flags & HAS_THREAD and stored.id in world.channels:
        shape |= {"thread": channel(world, world.channels[stored.id])}
    return shape
