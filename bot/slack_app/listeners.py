"""What Slack tells us, put into commands: slash commands, mentions, direct messages, buttons and forms.

Everything is acknowledged first and acted on after, for Slack waits three seconds. Keys come from Slack's own
ids, the same ones for each delivery of the same thing.
"""

import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_app import modals
from bot.slack_app.answering import Answers
from bot.slack_app.calls import slack_errors
from bot.slack_app.manifest import line_of
from bot.slack_app.places import Place, account_of, pressed_at
from bot.slack_app.render import ASK, PRESS, label_in, thread_in
from bot.slack_app.seen import Seen
from engine.commands.board import Board
from engine.commands.catalogue import LANGUAGE
from engine.commands.desk import Desk
from engine.commands.language import Command, Given
from engine.commands.model import Account, Reply
from engine.core.vocabulary.ids import DecisionId
from engine.errors import InputError, WatchkeeperError

_log = logging.getLogger("watchkeeper.slack")

_SIGNATURE_S: Final = 600.0
"""How long a signature is remembered: Slack's own are good for five minutes either way."""
_QUESTION: Final = frozenset({"yes", "no"})
_MENTION: Final = re.compile(r"<@[A-Z0-9]+(?:\|[^>]*)?>")
_LINK: Final = re.compile(r"<((?:https?|mailto):[^>|]+)(?:\|([^>]*))?>")


class Listeners:
    """Hears Slack, gives commands to the desk, and has the answers sent."""

    def __init__(
        self, desk: Desk, answers: Answers, client: AsyncWebClient, *, heard: Callable[[], None], channel: str
    ) -> None:
        """`heard` is called for everything that comes in; `channel` is the board's."""
        self._desk, self._answers, self._client = desk, answers, client
        self._heard, self._channel = heard, channel
        self._board: Board | None = None
        self._seen, self._signatures = Seen(), Seen(for_s=_SIGNATURE_S)
        self.bot_user = ""
        """The bot's own account; empty until Slack has said."""

    def attach(self, board: Board) -> None:
        """Take the board, to be told what was deleted and what may be out of date."""
        self._board = board

    def join(self, app: AsyncApp) -> None:
        """Have the app call us."""
        app.middleware(self._any)
        app.command(re.compile(r"^/"))(self._command)
        app.event("app_mention")(self._mention)
        app.event("message")(self._message)
        app.action(re.compile(f"^({PRESS}|{ASK}):"))(self._press)
        app.view(re.compile(f"^({modals.REASON}|{modals.FORM})$"))(self._form)
        app.options(re.compile(f"^{modals.CHOICE}:"))(self._options)

    # ------------------------------------------------------------ everything

    async def _any(
        self,
        req: AsyncBoltRequest,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 - bolt calls it so
    ) -> BoltResponse | None:
        """Take a sign of life, and stop what somebody sends a second time. Signatures were checked before."""
        self._heard()
        signature = (req.headers.get("x-slack-signature") or [""])[0]
        if signature and not self._signatures.first(signature):
            _log.warning("a signed request came a second time, and was not acted on")
            return BoltResponse(status=200, body="")
        await next()
        return None

    # ------------------------------------------------------------ commands

    async def _command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        line = line_of(str(body["command"]), str(body.get("text") or ""))
        place = Place(
            channel=str(body["channel_id"]),
            user=str(body["user_id"]),
            response_url=str(body.get("response_url") or ""),
        )
        account = account_of(place.user, str(body.get("user_name") or ""))
        key = f"command:{body.get('trigger_id') or _digest(body)}"
        if not self._seen.first(key):
            return
        lacking = LANGUAGE.missing(line)
        if lacking is not None and await self._ask_for_rest(lacking, account, place, body):
            return
        await self._give(line, account, key, place)

    async def _ask_for_rest(
        self, lacking: Given, account: Account, place: Place, body: dict[str, Any]
    ) -> bool:
        """Open a form for what a command lacks; says whether it stands before whoever began it."""
        try:
            # Strangers are told how to get in instead.
            if self._desk.identify(account) is None:
                return False
            with slack_errors("opening a form"):
                await self._client.views_open(
                    trigger_id=str(body.get("trigger_id") or ""), view=modals.missing_form(lacking, place)
                )
        except WatchkeeperError as refused:
            _log.info("no form for /%s: %s", lacking.kind.words, refused)
            return False
        return True

    async def _mention(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        if event.get("bot_id") or event.get("edited") or event.get("user") in {None, self.bot_user}:
            return
        text = str(event.get("text") or "")
        own = f"<@{self.bot_user}>"
        before, spoken_to, after = text.partition(own) if own in text else ("", "", _MENTION.sub("", text, 1))
        await self._said(after if after.strip() or not spoken_to else before, event, body)

    async def _message(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        kind = event.get("subtype")
        if kind == "message_deleted":
            if self._board is not None and event.get("channel") == self._channel:
                self._board.lost("slack", str(event.get("deleted_ts") or ""))
            return
        spoken = kind is None and not event.get("bot_id") and event.get("user") not in {None, self.bot_user}
        if spoken and event.get("channel_type") == "im":
            await self._said(str(event.get("text") or ""), event, body)

    async def _said(self, text: str, event: dict[str, Any], body: dict[str, Any]) -> None:
        key = f"event:{body.get('event_id') or _digest(event)}"
        if not self._seen.first(key):
            return
        place = Place(
            channel=str(event["channel"]), user=str(event["user"]), thread=str(event.get("thread_ts") or "")
        )
        await self._give(_typed(text) or "help", account_of(place.user), key, place)

    # ------------------------------------------------------------ buttons and forms

    async def _press(self, ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        key = f"press:{body.get('trigger_id') or _digest(body)}"
        if not self._seen.first(key):
            return
        line, asks = str(action.get("value") or ""), label_in(str(action.get("action_id") or ""))
        place = pressed_at(body, thread_in(str(action.get("block_id") or "")))
        user = body["user"]
        account = account_of(place.user, str(user.get("username") or user.get("name") or ""))
        if asks and self._desk_knows(account):
            label = str((action.get("text") or {}).get("text") or line)
            await self._open(body, modals.reason_form(line, asks, label, place))
            return
        answered = line.partition(" ")[0] in _QUESTION
        await self._give(line, account, key, place, instead=answered)
        self._look_again(line)

    def _desk_knows(self, account: Account) -> bool:
        try:
            return self._desk.identify(account) is not None
        except WatchkeeperError:
            return False

    async def _open(self, body: dict[str, Any], view: dict[str, Any]) -> None:
        try:
            with slack_errors("opening a form"):
                await self._client.views_open(trigger_id=str(body.get("trigger_id") or ""), view=view)
        except WatchkeeperError as refused:
            _log.warning("%s", refused)

    async def _form(self, ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        given, place = modals.form_of(view)
        wrong = modals.faults(given, view)
        if wrong:
            await ack(response_action="errors", errors=wrong)
            return
        await ack()
        key = f"form:{body.get('trigger_id') or _digest(view['state'], view['id'])}"
        if not self._seen.first(key):
            return
        user = body["user"]
        account = account_of(str(user["id"]), str(user.get("username") or user.get("name") or ""))
        await self._give(given, account, key, place)
        self._look_again(given.line())

    async def _options(self, ack: AsyncAck, body: dict[str, Any], payload: dict[str, Any]) -> None:
        given, _ = modals.form_of(_without_state(body["view"]))
        argument = modals.argument_of(given.kind.words, str(payload.get("action_id") or ""))
        typed = str(payload.get("value") or "")
        account = account_of(str(body["user"]["id"]))
        offered = await self._desk.offer(argument.complete, typed, account) if argument is not None else []
        await ack(options=modals.options(offered, typed if self._desk_knows(account) else ""))

    # ------------------------------------------------------------ giving it to the desk

    async def _give(
        self, said: str | Command | Given, account: Account, key: str, place: Place, *, instead: bool = False
    ) -> None:
        reply = await self._desk.give(said, account, key)
        if reply.outcome == "failed":
            # The same delivery, repeated, may find things well again.
            self._seen.forget(key)
        # What was typed stands under no message that could be out of date.
        instead = instead or (reply.instead and bool(place.message))
        await self._answers.give(place, reply, instead=instead)
        self._after(reply)

    def _after(self, reply: Reply) -> None:
        if reply.about is not None and self._board is not None:
            self._board.changed(reply.about)

    def _look_again(self, line: str) -> None:
        """Have the board look at a decision whose button was pressed: what it offered may be out of date."""
        try:
            about = getattr(LANGUAGE.parse(line), "decision_id", "")
        except InputError:
            return
        if about and self._board is not None:
            self._board.changed(DecisionId(about))


def _typed(text: str) -> str:
    """Return what somebody typed, without the marks Slack puts around links and signs.

    >>> _typed("canary status &lt;heal&gt; <http://x.example|x.example>")
    'canary status <heal> x.example'
    """
    bare = _LINK.sub(lambda found: found[2] or found[1], text)
    return bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _without_state(view: dict[str, Any]) -> dict[str, Any]:
    return {**view, "state": {"values": {}}}


def _digest(*parts: Any) -> str:
    """Name something Slack gave no id, by all that it says."""
    told = json.dumps(parts, sort_keys=True, default=str).encode()
    return hashlib.blake2b(told, digest_size=16).hexdigest()
