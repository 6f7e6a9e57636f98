"""Where somebody said something, and so where they are answered."""

import json
import time
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from engine.commands.model import Account

# Slack says half an hour; an answer on its way takes some of it.
_URL_S: Final = 29 * 60.0


class Place(Struct, frozen=True, kw_only=True):
    """A channel as one person sees it at one moment."""

    channel: str
    user: str
    thread: str = ""
    """The thread to answer in; empty for the channel itself."""
    response_url: str = ""
    """Takes five late answers within half an hour, also where the bot is no member; empty for none."""
    since_s: float = field(default_factory=time.time)
    """When it was given out, seconds since 1970."""
    message: str = ""
    """The message whose button was pressed; empty for none."""
    hidden: bool = False
    """Whether only this person sees that message."""

    @property
    def late_url(self) -> str:
        """The response URL while it still works; empty afterwards."""
        return self.response_url if time.time() - self.since_s < _URL_S else ""

    @property
    def direct(self) -> bool:
        """Whether nobody but this person and the bot is there."""
        return self.channel.startswith("D")

    def written(self) -> str:
        """Write it for a modal to carry."""
        return msgspec.json.encode(self).decode()


def read_place(text: str) -> Place:
    """Read what `written` wrote."""
    return msgspec.json.decode(text, type=Place)


def account_of(user: str, name: str = "") -> Account:
    """Return a person's account."""
    return Account(front="slack", account_id=user, name=name)


def pressed_at(body: dict[str, Any], thread: str) -> Place:
    """Return where a button was pressed. `thread` is what the button kept."""
    container = body.get("container") or {}
    message = str(container.get("message_ts") or "")
    hidden = bool(container.get("is_ephemeral"))
    # What a button of a message for everybody does is told under that message.
    under = thread or str(container.get("thread_ts") or "") or ("" if hidden else message)
    return Place(
        channel=str(container.get("channel_id") or (body.get("channel") or {}).get("id") or ""),
        user=str(body["user"]["id"]),
        thread=under,
        response_url=str(body.get("response_url") or ""),
        message=message,
        hidden=hidden,
    )


def carried(line: str, place: Place) -> str:
    """Write what a modal carries: the command so far, and where to answer."""
    return json.dumps({"line": line, "place": place.written()})


def read_carried(text: str) -> tuple[str, Place]:
    """Read what `carried` wrote."""
    found = json.loads(text)
    return str(found["line"]), read_place(found["place"])
