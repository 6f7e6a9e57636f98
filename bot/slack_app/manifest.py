"""The app's manifest, made from the command table: what Slack is told at the app's creation."""

from typing import Any, Final

from engine.commands.catalogue import LANGUAGE
from engine.commands.language import Command

EVERYTHING: Final = "/wk"
"""Takes any command, for where another app has taken a name of ours."""
EVENTS_PATH: Final = "/slack/events"

_RESERVED: Final = frozenset(
    "active apps archive away collapse dm dnd expand feed invite join kick leave me msg mute open pro remind"
    " remove rename search shortcuts shrug star status topic who".split()
)
"""Names that Slack keeps for itself: one of them, and it refuses the whole manifest."""

SCOPES: Final = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:write",
)
"""What the bot may do: hear and answer, send files, and see whether it is in its channel."""

_EVENTS: Final = ("app_mention", "message.channels", "message.groups", "message.im")


def slash_of(word: str) -> str:
    """Return the slash command for the first word of a command.

    >>> slash_of("kill-autonomous"), slash_of("status")
    ('/kill-autonomous', '/wk-status')
    """
    return f"{EVERYTHING}-{word}" if word in _RESERVED else f"/{word}"


def line_of(slash: str, text: str) -> str:
    """Return what somebody meant by a slash command.

    >>> line_of("/canary", "status"), line_of("/wk", "canary status"), line_of("/wk-status", "")
    ('canary status', 'canary status', 'status')
    """
    if slash == EVERYTHING:
        return text.strip() or "help"
    return f"{slash.removeprefix(f'{EVERYTHING}-').removeprefix('/')} {text.strip()}".strip()


def make_manifest(*, request_url: str = "") -> dict[str, Any]:
    """Return the manifest. With a request URL Slack calls us there; without one it is Socket Mode."""
    socket = not request_url
    commands = [*_commands(), _command(EVERYTHING, "Everything the watchkeeper can be told", "help")]
    if not socket:
        commands = [{**each, "url": request_url} for each in commands]
    events: dict[str, Any] = {"bot_events": list(_EVENTS)}
    return {
        "display_information": {
            "name": "Watchkeeper",
            "description": "Agents propose, the engine decides, people hold the override.",
            "background_color": "#1d3557",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "watchkeeper", "always_online": True},
            "slash_commands": commands,
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": events if socket else {"request_url": request_url, **events},
            "interactivity": {"is_enabled": True}
            if socket
            else {
                "is_enabled": True,
                "request_url": request_url,
                "message_menu_options_url": request_url,
            },
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket,
            "token_rotation_enabled": False,
        },
    }


def _commands() -> list[dict[str, Any]]:
    """Return a slash command for each first word there is."""
    words: dict[str, list[type[Command]]] = {}
    for kind in LANGUAGE.listed():
        words.setdefault(kind.words.split()[0], []).append(kind)
    return [_of_one(word, kinds) for word, kinds in words.items()]


def _of_one(word: str, kinds: list[type[Command]]) -> dict[str, Any]:
    if len(kinds) == 1 and kinds[0].words == word:
        hint = " ".join(each.usage() for each in kinds[0].arguments())
        return _command(slash_of(word), kinds[0].summary(), hint)
    # Several commands begin with this word: the hint names what can follow.
    following = "|".join(kind.words.removeprefix(word).strip() for kind in kinds)
    return _command(slash_of(word), f"{word.capitalize()}: {following.replace('|', ', ')}", following)


def _command(slash: str, description: str, hint: str) -> dict[str, Any]:
    made = {"command": slash, "description": description, "should_escape": False}
    return made | ({"usage_hint": hint} if hint else {})
