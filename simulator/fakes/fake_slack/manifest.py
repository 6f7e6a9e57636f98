"""App manifests: what an app declares, and whether Slack would take it."""

import re
from collections.abc import Iterator
from typing import Any, Final

from simulator.fakes.fake_slack.workspace import Json

BOT_SCOPES: Final = frozenset(
    "app_mentions:read assistant:write bookmarks:read bookmarks:write calls:read calls:write "
    "canvases:read canvases:write channels:history channels:join channels:manage channels:read "
    "channels:write.invites channels:write.topic chat:write chat:write.customize chat:write.public "
    "commands conversations.connect:manage conversations.connect:read conversations.connect:write "
    "dnd:read emoji:read files:read files:write groups:history groups:read groups:write "
    "groups:write.invites groups:write.topic im:history im:read im:write im:write.topic "
    "incoming-webhook links.embed:write links:read links:write lists:read lists:write "
    "metadata.message:read mpim:history mpim:read mpim:write mpim:write.topic pins:read pins:write "
    "reactions:read reactions:write reminders:read reminders:write remote_files:read remote_files:share "
    "remote_files:write team.billing:read team.preferences:read team:read usergroups:read "
    "usergroups:write users.profile:read users:read users:read.email users:write workflow.steps:execute"
    .split()
)  # fmt: skip
"""The scopes a bot token can have."""

BOT_EVENTS: Final[dict[str, str | None]] = {
    "app_home_opened": None, "app_mention": "app_mentions:read", "app_uninstalled": None,
    "channel_archive": "channels:read", "channel_created": "channels:read",
    "channel_deleted": "channels:read", "channel_rename": "channels:read",
    "channel_unarchive": "channels:read", "file_shared": "files:read",
    "member_joined_channel": "channels:read", "member_left_channel": "channels:read",
    "message.channels": "channels:history", "message.groups": "groups:history", "message.im": "im:history",
    "message.mpim": "mpim:history", "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read", "team_join": "users:read", "tokens_revoked": None,
    "user_change": "users:read",
}  # fmt: skip
"""The events a bot can ask for, and the scope each needs; `None` where it needs none."""

_SECTIONS: Final = {
    "_metadata", "display_information", "features", "oauth_config", "settings", "functions", "workflows",
    "datastores", "types", "outgoing_domains", "metadata_events", "app_directory",
}  # fmt: skip
_BUILT_IN: Final = frozenset(
    "active apps archive away call collapse dm dnd expand feed feedback invite join kick leave me msg mute"
    " open prefs remind remove rename search shortcuts shrug star status topic who".split()
)
"""Commands of Slack's own, whose names no app can have."""
_COMMAND_KEYS: Final = {"command", "description", "usage_hint", "url", "should_escape"}


def manifest_faults(manifest: Any) -> tuple[str, ...]:
    """Say everything Slack would refuse in an app manifest; empty when it is fine.

    >>> manifest_faults({"display_information": {"name": "x" * 36}})
    ('/display_information/name has 36 characters, not 1 to 35',)
    """
    if not isinstance(manifest, dict):
        return ("the manifest is not an object",)
    faults = [f"/{key} does not exist" for key in sorted(set(manifest) - _SECTIONS)]
    for check in (_words_faults, _commands_faults, _scopes_faults, _settings_faults):
        faults += check(manifest)
    return tuple(faults)


def _part(manifest: Json, *keys: str) -> Any:
    value: Any = manifest
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _length(where: str, value: Any, least: int, most: int) -> Iterator[str]:
    size = len(value) if isinstance(value, str) else 0
    if not least <= size <= most:
        yield f"{where} has {size} characters, not {least} to {most}"


def _words_faults(manifest: Json) -> Iterator[str]:
    yield from _length("/display_information/name", _part(manifest, "display_information", "name"), 1, 35)
    about = _part(manifest, "display_information", "description")
    if about is not None:
        yield from _length("/display_information/description", about, 1, 140)
    longer = _part(manifest, "display_information", "long_description")
    if longer is not None:
        yield from _length("/display_information/long_description", longer, 174, 4000)
    colour = _part(manifest, "display_information", "background_color")
    if colour is not None and not re.fullmatch(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})", str(colour)):
        yield "/display_information/background_color is not a colour such as #1a2b3c"
    bot = _part(manifest, "features", "bot_user")
    if bot is not None:
        yield from _length("/features/bot_user/display_name", _part(bot, "display_name"), 1, 80)


def _commands_faults(manifest: Json) -> Iterator[str]:
    commands = _part(manifest, "features", "slash_commands") or []
    if len(commands) > 50:
        yield f"/features/slash_commands has {len(commands)} commands of 50"
    on_socket = bool(_part(manifest, "settings", "socket_mode_enabled"))
    seen: set[str] = set()
    for number, command in enumerate(commands):
        where = f"/features/slash_commands/{number}"
        name = str(command.get("command", ""))
        if not re.match(r"^/", name):
            yield f"{where}/command {name!r} does not start with a slash"
        if re.search(r"\s", name) or name != name.lower():
            yield f"{where}/command {name!r} has spaces or capitals"
        yield from _length(f"{where}/command", name, 2, 32)
        if name.removeprefix("/") in _BUILT_IN:
            yield f"{where}/command {name!r} is one of Slack's own"
        if name in seen:
            yield f"{where}/command {name!r} is there twice"
        seen.add(name)
        yield from _length(f"{where}/description", command.get("description"), 1, 2000)
        if command.get("usage_hint") is not None:
            yield from _length(f"{where}/usage_hint", command["usage_hint"], 1, 1000)
        if not on_socket and not str(command.get("url", "")).startswith("https://"):
            yield f"{where}/url is missing, and socket mode is off"
        yield from (f"{where}/{key} does not exist" for key in sorted(set(command) - _COMMAND_KEYS))


def _scopes_faults(manifest: Json) -> Iterator[str]:
    where = "/oauth_config/scopes/bot"
    scopes = _part(manifest, "oauth_config", "scopes", "bot") or []
    yield from (f"{where} has {scope!r}, which does not exist" for scope in scopes if scope not in BOT_SCOPES)
    if _part(manifest, "features", "bot_user") is None and scopes:
        yield "/features/bot_user is missing, and there are bot scopes"
    if _part(manifest, "features", "slash_commands") and "commands" not in scopes:
        yield f"{where} lacks 'commands', and there are slash commands"
    for event in bot_events(manifest):
        if event not in BOT_EVENTS:
            yield f"/settings/event_subscriptions/bot_events has {event!r}, which does not exist"
        elif (needed := BOT_EVENTS[event]) is not None and needed not in scopes:
            yield f"{where} lacks {needed!r}, which the event {event} needs"


def _settings_faults(manifest: Json) -> Iterator[str]:
    settings = _part(manifest, "settings") or {}
    for key in ("socket_mode_enabled", "org_deploy_enabled", "token_rotation_enabled"):
        if not isinstance(settings.get(key, False), bool):
            yield f"/settings/{key} is not true or false"
    if settings.get("socket_mode_enabled"):
        return
    if bot_events(manifest) and not _part(settings, "event_subscriptions", "request_url"):
        yield "/settings/event_subscriptions/request_url is missing, and socket mode is off"
    if _part(settings, "interactivity", "is_enabled") and not _part(settings, "interactivity", "request_url"):
        yield "/settings/interactivity/request_url is missing, and socket mode is off"


def commands(manifest: Json) -> dict[str, Json]:
    """Return the slash commands an app declares, by name."""
    return {command["command"]: command for command in _part(manifest, "features", "slash_commands") or []}


def bot_scopes(manifest: Json) -> frozenset[str]:
    """Return the scopes an app's bot token gets at installation."""
    return frozenset(_part(manifest, "oauth_config", "scopes", "bot") or [])


def bot_events(manifest: Json) -> tuple[str, ...]:
    """Return the events an app asks for."""
    return tuple(_part(manifest, "settings", "event_subscriptions", "bot_events") or [])


def interactive(manifest: Json) -> bool:
    """Tell whether buttons and modals reach the app."""
    return bool(_part(manifest, "settings", "interactivity", "is_enabled"))
