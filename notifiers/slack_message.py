"""Messages by the Slack app: to a person, or to a channel. What its buttons do, the app answers.

A button's `action_id` is the one all our buttons there have, `wk_press:PLACE` or `wk_ask:PLACE:WHAT IT ASKS`,
and the command is its value. What agents wrote only ever stands where Slack reads no markup.
"""

import re
from typing import Any, Final

from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.http_sending import DEADLINE_S, Answer, HttpProvider, before_sending, refused
from notifiers.wording import Press, lines_of, presses, text_of, title_of

_ACCOUNT: Final = re.compile(r"[UW][A-Z0-9]{2,31}")
_TITLE: Final = 150
_SECTION: Final = 2_900
_LABEL: Final = 75
_ASKS: Final = 200
_VALUE: Final = 2_000
_MOST_BUTTONS: Final = 5
_READ: Final = 50
_KIND: Final = "watchkeeper_notification"
_STYLES: Final = {"good": {"style": "primary"}, "danger": {"style": "danger"}, "plain": {}}
_ADDRESS: Final = frozenset({
    "channel_not_found", "user_not_found", "users_not_found", "user_disabled", "user_not_visible",
    "cannot_dm_bot", "is_archived", "invalid_users_list",
})  # fmt: skip
# Slack says of these two that something may have been done.
_UNSURE: Final = frozenset({"fatal_error", "internal_error", "request_timeout"})
_BROKEN: Final = frozenset({"service_unavailable", "team_added_to_org"})
_BUSY: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})


class SlackMessages:
    """The channels `slack`, to a person by the id of their account, and `slack-channel`."""

    def __init__(
        self, api: str, *, token: str, channel: str | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        """Write as this app: to `channel`, or to whoever a message is for where that is `None`."""
        self._channel = channel
        self.name = "slack" if channel is None else "slack-channel"
        self.capabilities = self.states(personal=channel is None)
        headers = {"Authorization": f"Bearer {token}"}
        self._http = HttpProvider("Slack", api, headers=headers, secrets=[token], deadline_s=deadline_s)
        self._direct: dict[str, str] = {}
        """The channel of direct messages to an account."""

    @staticmethod
    def states(*, personal: bool) -> Capabilities:
        """Say what it can do: to one person, or to whoever reads a channel."""
        return Capabilities(
            loud=personal, personal=personal, receipt=False, acknowledge=True, latency_s=20, cost_usd=0
        )

    async def send(self, message: Message) -> Sent:
        """Post it. Slack knows no key for a second try; `reconcile` finds the first by its metadata."""
        with before_sending():
            place = await self._place(message.address)
        table = await self._method("chat.postMessage", _post(message, place))
        return Sent(delivery="accepted", ref=f"{place}/{table.get('ts', '')}")

    async def reconcile(self, message: Message) -> Sent | None:
        """Look among the newest messages there for the one that says which notification it is."""
        place = await self._place(message.address)
        query = {"channel": place, "limit": str(_READ), "include_all_metadata": "true"}
        answer = await self._http.call("POST", "/conversations.history", form=query)
        found = answer.hint().get("messages") if answer.ok else None
        for each in found if isinstance(found, list) else []:
            metadata = each.get("metadata") if isinstance(each, dict) else None
            payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
            if isinstance(payload, dict) and payload.get("notification") == message.notification_id:
                return Sent(delivery="accepted", ref=f"{place}/{each.get('ts', '')}")
        return None

    async def check(self, address: str) -> str:
        """See whether the token is taken, and the channel, or the one of direct messages, is there."""
        try:
            await self._method("auth.test", {})
            if self._channel is not None:
                form = {"channel": self._channel}
                answer = await self._http.call("POST", "/conversations.info", form=form)
                self._judged(answer)
            elif address:
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
                f"{address!r} is no account of Slack",
                kind="address",
                cure="an account begins with U or W; link it: docs/howto/chat.md",
            )
        if address not in self._direct:
            opened = (await self._method("conversations.open", {"users": address})).get("channel")
            place = opened.get("id") if isinstance(opened, dict) else None
            if not isinstance(place, str):
                raise NotSent("Slack opened no direct messages", kind="broken")
            self._direct[address] = place
        return self._direct[address]

    async def _method(self, name: str, table: dict[str, Any]) -> dict[str, Any]:
        return self._judged(await self._http.call("POST", f"/{name}", table=table))

    def _judged(self, answer: Answer) -> dict[str, Any]:
        """Return what was answered. Raises `NotSent` for a refusal, which comes with a status of 200."""
        table = answer.table() if answer.ok else answer.hint()
        if answer.ok and table.get("ok") is True:
            return table
        error = str(table.get("error", ""))
        if error in _BUSY:
            raise NotSent(f"Slack asks to wait: {error}", kind="busy")
        if error in _UNSURE:
            raise NotSent(f"Slack failed: {error}", kind="unsure")
        if error in _BROKEN:
            raise NotSent(f"Slack failed: {error}", kind="broken")
        if not error and answer.ok:
            raise NotSent(f"this is no Slack: {answer.said}", kind="unsure")
        if self._channel is None and error in _ADDRESS:
            raise refused(answer, address=True, why=error, cure="link their account anew: docs/howto/chat.md")
        raise refused(answer, why=error, cure="see chat/slack-bot-token, and docs/howto/slack.md")


def _post(message: Message, place: str) -> dict[str, Any]:
    title = title_of(message, _TITLE)
    return {
        "channel": place,
        # What a phone shows; the blocks say the rest.
        "text": _escaped(title),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": _blocks(message, title),
        "metadata": {"event_type": _KIND, "event_payload": {"notification": message.notification_id}},
    }


def _blocks(message: Message, title: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title)}]
    if lines_of(message, link=False):
        blocks.append({"type": "section", "text": _plain(text_of(message, _SECTION, link=False))})
    if message.link:
        link = re.sub(r"[<>|\s]", "", message.link).replace("&", "&amp;")
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{link}|Answer on the web>"}})
    buttons = [
        _button(place, press)
        for place, press in enumerate(presses(message)[:_MOST_BUTTONS])
        if len(press.line) <= _VALUE
    ]
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    return blocks


def _button(place: int, press: Press) -> dict[str, Any]:
    return {
        "type": "button",
        "text": _plain(press.label[:_LABEL]),
        "action_id": f"wk_ask:{place}:{press.asks[:_ASKS]}" if press.asks else f"wk_press:{place}",
        "value": press.line,
        **_STYLES[press.style],
    }


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or "–", "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
