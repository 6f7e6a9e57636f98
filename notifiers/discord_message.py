"""Messages by the Discord bot: to a person, or to a channel. What its buttons do, the bot answers.

A button's `custom_id` is the one all our buttons there have: `wk:WHAT IT ASKS FIRST|COMMAND`, such as
`wk:|ack e_288ca454f1551b4`.
"""

import hashlib
import re
from typing import Any, Final

from engine.core.vocabulary.escalations import Severity
from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.discord_markup import escaped, fitted, length, visible
from notifiers.http_sending import DEADLINE_S, Answer, HttpProvider, before_sending, refused
from notifiers.wording import Press, lines_of, presses, title_of

_ACCOUNT: Final = re.compile(r"[0-9]{15,20}")
_CONTENT: Final = 1_900
_DESCRIPTION: Final = 4_000
_TITLE: Final = 300
_LABEL: Final = 80
_IDENTIFIER: Final = 100
_IN_A_ROW: Final = 5
_NONCE: Final = 25
_STYLES: Final = {"plain": 2, "good": 3, "danger": 4}
_COLOURS: Final[dict[Severity, int]] = {"critical": 0xD3242F, "warning": 0xE08C00, "info": 0x3B7DD8}
_READ: Final = 50
# Its own numbers: cannot write to this person; no such person; no such recipient; no such channel.
_NO_DIRECT: Final = frozenset({50007, 10013, 50033, 10003})


class DiscordMessages:
    """The channels `discord`, to a person by the id of their account, and `discord-channel`."""

    def __init__(
        self, api: str, *, token: str, channel: str | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        """Write as this bot: to `channel`, or to whoever a message is for where that is `None`."""
        self._channel = channel
        self.name = "discord" if channel is None else "discord-channel"
        self.capabilities = self.states(personal=channel is None)
        headers = {"Authorization": f"Bot {token}"}
        self._http = HttpProvider("Discord", api, headers=headers, secrets=[token], deadline_s=deadline_s)
        self._direct: dict[str, str] = {}
        """The channel of direct messages to an account."""

    @staticmethod
    def states(*, personal: bool) -> Capabilities:
        """Say what it can do: to one person, or to whoever reads a channel."""
        return Capabilities(
            loud=personal, personal=personal, receipt=False, acknowledge=True, latency_s=20, cost_usd=0
        )

    async def send(self, message: Message) -> Sent:
        """Post it. A second try within a few minutes bears the same nonce, and Discord posts it once."""
        with before_sending():
            place = await self._place(message.address)
        answer = await self._http.call("POST", f"/channels/{place}/messages", table=_post(message))
        if not answer.ok:
            # It may have been closed since; the next try opens it anew.
            self._direct.pop(message.address, None)
            raise self._refusal(answer)
        return Sent(delivery="accepted", ref=_id_in(answer))

    async def reconcile(self, message: Message) -> Sent | None:
        """Look among the newest messages there for the one that says which notification it is."""
        place = await self._place(message.address)
        answer = await self._http.call("GET", f"/channels/{place}/messages", query={"limit": str(_READ)})
        if not answer.ok:
            return None
        try:
            found = answer.items()
        except NotSent:
            return None
        for each in found:
            footers = [one.get("footer") for one in each.get("embeds") or [] if isinstance(one, dict)]
            if any(isinstance(one, dict) and one.get("text") == _footer(message) for one in footers):
                return Sent(delivery="accepted", ref=str(each.get("id", "")))
        return None

    async def check(self, address: str) -> str:
        """See whether the token is taken, and the channel, or the one of direct messages, is there."""
        answer = await self._http.call("GET", "/users/@me")
        if not answer.ok:
            return str(self._refusal(answer))
        try:
            if self._channel is not None:
                answer = await self._http.call("GET", f"/channels/{self._channel}")
                return "" if answer.ok else str(self._refusal(answer))
            if address:
                await self._place(address)
        except NotSent as error:
            if error.kind not in {"address", "setup"}:
                raise
            return str(error)
        return ""

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _place(self, address: str) -> str:
        """Return the channel to post to. Opening one to a person notifies nobody."""
        if self._channel is not None:
            return self._channel
        if not _ACCOUNT.fullmatch(address):
            raise NotSent(
                f"{address!r} is no account of Discord",
                kind="address",
                cure="an account is a number; link it: docs/howto/chat.md",
            )
        if address not in self._direct:
            answer = await self._http.call("POST", "/users/@me/channels", table={"recipient_id": address})
            if not answer.ok:
                raise self._refusal(answer)
            self._direct[address] = _id_in(answer)
        return self._direct[address]

    def _refusal(self, answer: Answer) -> NotSent:
        hint = answer.hint()
        why = str(hint.get("message", ""))
        of_person = hint.get("code") in _NO_DIRECT or "recipient_id" in str(hint.get("errors", ""))
        if self._channel is None and of_person:
            cure = "they may allow direct messages from members of the server, or be linked anew"
            return refused(answer, address=True, why=why, cure=cure)
        return refused(answer, why=why, cure="see chat/discord-token, and docs/howto/discord.md")


def _post(message: Message) -> dict[str, Any]:
    title, _ = fitted(title_of(message, _TITLE), _CONTENT)
    text, _ = fitted("\n".join(lines_of(message, link=False)), _DESCRIPTION)
    said = [text] if text else []
    if message.link:
        said.append(f"[Answer on the web]({message.link})")
    return {
        # A phone shows this much of it.
        "content": title,
        "embeds": [
            {
                "description": "\n".join(said) or escaped(message.escalation_id),
                "color": _COLOURS[message.severity],
                "footer": {"text": _footer(message)},
            }
        ],
        "components": _components(message),
        "allowed_mentions": {"parse": []},
        "nonce": _nonce(message),
        "enforce_nonce": True,
    }


def _components(message: Message) -> list[dict[str, Any]]:
    buttons = [_button(press) for press in presses(message)]
    fitting = [button for button in buttons if length(str(button["custom_id"])) <= _IDENTIFIER]
    return [
        {"type": 1, "components": fitting[start : start + _IN_A_ROW]}
        for start in range(0, len(fitting), _IN_A_ROW)
    ]


def _button(press: Press) -> dict[str, Any]:
    asks = press.asks.replace("|", "/")
    return {
        "type": 2,
        "style": _STYLES[press.style],
        "label": visible(press.label)[:_LABEL],
        "custom_id": f"wk:{asks}|{press.line}",
    }


def _footer(message: Message) -> str:
    return f"Watchkeeper {message.notification_id}"


def _nonce(message: Message) -> str:
    number = message.notification_id
    return number if len(number) <= _NONCE else hashlib.sha256(number.encode()).hexdigest()[:_NONCE]


def _id_in(answer: Answer) -> str:
    found = answer.table().get("id")
    if not isinstance(found, str) or not found.isdecimal():
        raise NotSent(f"Discord gave it no id: {answer.said}", kind="unsure")
    return found
