"""Answering in Slack: to one person or to all, late or at once, and the whole as a file where it is long."""

import logging
from pathlib import Path
from typing import Any, Final

from msgspec import structs
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.slack_app.calls import GONE, OUTSIDE, SlackRefused, retries, slack_errors
from bot.slack_app.places import Place
from bot.slack_app.render import Rendered, render, whole
from engine.commands.following import EVERY_S, Following, Poster
from engine.commands.model import Reply
from engine.commands.tools import Tools
from engine.errors import WatchkeeperError
from engine.ports import Messages, Posted

_log = logging.getLogger("watchkeeper.slack")

QUIET: Final[dict[str, Any]] = {"unfurl_links": False, "unfurl_media": False}
"""What agents wrote makes nobody's server fetch anything."""


class Answers:
    """Sends replies to where somebody said something."""

    def __init__(self, client: AsyncWebClient, tools: Tools, *, every_s: float = EVERY_S) -> None:
        """`every_s` is how often the card of a replay is edited."""
        self._client = client
        self._following = Following(tools, "slack", self._show, every_s=every_s)
        self._messages: Messages | None = None

    def attach(self, messages: Messages) -> None:
        """Take what remembers where the cards of replays stand."""
        self._messages = messages

    async def go_on(self, poster: Poster) -> None:
        """Follow the replays that were followed before a restart."""
        if self._messages is not None:
            await self._following.go_on(self._messages, poster)

    async def close(self) -> None:
        """Follow nothing any more."""
        await self._following.close()

    async def give(self, place: Place, reply: Reply, *, instead: bool = False) -> None:
        """Answer. `instead` puts the answer in the place of the message whose button was pressed.

        What Slack refuses is in the log, for there is nobody else to tell.
        """
        try:
            await self._give(place, reply, instead=instead)
        except WatchkeeperError as refused:
            _log.warning("an answer did not reach %s: %s", place.user, refused)

    async def _give(self, place: Place, reply: Reply, *, instead: bool) -> None:
        rendered = render(reply, thread=place.thread)
        if reply.job and not place.direct and not reply.private:
            await self._follow(place, reply, rendered)
            return
        if place.direct:
            if not (instead and await self._respond(place, rendered, replace_original=True)):
                ts = await self._post(place.channel, rendered, thread=place.thread)
                if reply.job:
                    self._begin_following(place.channel, ts, reply)
        elif reply.private:
            await self._privately(place, rendered, instead=instead)
        else:
            await self._publicly(place, rendered, instead=instead)
        await self._files(place, reply, rendered)

    # ------------------------------------------------------------ messages

    async def _privately(self, place: Place, rendered: Rendered, *, instead: bool) -> None:
        if instead and await self._respond(place, rendered, replace_original=True):
            return
        # A reply in a thread is seen only there, so a private one stands in the channel.
        if await self._respond(place, rendered, response_type="ephemeral", replace_original=False):
            return
        try:
            with slack_errors("answering one person"):
                await self._client.chat_postEphemeral(
                    channel=place.channel,
                    user=place.user,
                    thread_ts=place.thread or None,
                    **rendered.message(),
                )
        except SlackRefused as refused:
            if refused.word not in OUTSIDE:
                raise
            await self._post(place.user, rendered)

    async def _publicly(self, place: Place, rendered: Rendered, *, instead: bool) -> None:
        if instead:
            await self._remove(place)
        if not place.thread and not place.message:
            sent = await self._respond(place, rendered, response_type="in_channel", replace_original=False)
            if sent:
                return
        try:
            await self._post(place.channel, rendered, thread=place.thread)
        except SlackRefused as refused:
            if refused.word not in OUTSIDE:
                raise
            if not await self._respond(place, rendered, response_type="in_channel", replace_original=False):
                raise

    async def _respond(self, place: Place, rendered: Rendered, **how: Any) -> bool:
        """Use the response URL; says whether it took the answer."""
        if not place.late_url:
            return False
        hook = AsyncWebhookClient(
            place.late_url, session=self._client.session, retry_handlers=retries(), timeout=10
        )
        try:
            with slack_errors("using a response URL"):
                answer = await hook.send(**rendered.message(), **QUIET, **how)
        except WatchkeeperError as lost:
            _log.info("%s", lost)
            return False
        return answer.status_code == 200

    async def _remove(self, place: Place) -> None:
        """Take a question away that was answered."""
        if not place.late_url:
            return
        hook = AsyncWebhookClient(place.late_url, session=self._client.session, retry_handlers=retries())
        try:
            with slack_errors("removing a question"):
                await hook.send(delete_original=True)
        except WatchkeeperError as lost:
            _log.info("%s", lost)

    async def _post(self, channel: str, rendered: Rendered, *, thread: str = "") -> str:
        with slack_errors("posting"):
            answer = await self._client.chat_postMessage(
                channel=channel, thread_ts=thread or None, **rendered.message(), **QUIET
            )
        return str(answer["ts"])

    # ------------------------------------------------------------ files

    async def _files(self, place: Place, reply: Reply, rendered: Rendered) -> None:
        """Send the file of a reply, and the whole of what did not fit."""
        if reply.file is not None:
            await self._upload(place, reply, reply.file.name, reply.file)
        if rendered.left_out:
            name = "".join(sign if sign.isalnum() else "-" for sign in reply.title.casefold())[:60]
            await self._upload(place, reply, f"{name.strip('-') or 'answer'}.txt", whole(reply))

    async def _upload(self, place: Place, reply: Reply, name: str, content: Path | str) -> None:
        given: dict[str, Any] = {"content": content} if isinstance(content, str) else {"file": str(content)}
        with slack_errors("sending a file"):
            # Slack knows no file that one person in a channel sees, so a private one goes to them alone.
            if reply.private and not place.direct:
                opened = await self._client.conversations_open(users=place.user)
                where, thread = str(opened["channel"]["id"]), ""
            else:
                where, thread = place.channel, place.thread
            await self._client.files_upload_v2(
                channel=where, thread_ts=thread or None, filename=name, title=name, **given
            )

    # ------------------------------------------------------------ replays

    async def _follow(self, place: Place, reply: Reply, rendered: Rendered) -> None:
        try:
            ts = await self._post(place.channel, rendered, thread=place.thread)
        except SlackRefused as refused:
            if refused.word not in OUTSIDE:
                raise
            # Where the bot is no member nothing can be edited again and again.
            await self._respond(place, rendered, response_type="in_channel", replace_original=False)
            return
        self._begin_following(place.channel, ts, reply)

    def _begin_following(self, channel: str, ts: str, reply: Reply) -> None:
        if self._messages is not None:
            self._following.begin(self._messages, reply, channel=channel, ref=ts)

    async def _show(self, posted: Posted, reply: Reply) -> bool:
        """Edit the card of a replay; its report is sent below it."""
        rendered = render(structs.replace(reply, file=None))
        try:
            with slack_errors("showing how far a replay is"):
                await self._client.chat_update(channel=posted.channel, ts=posted.ref, **rendered.message())
        except SlackRefused as refused:
            if refused.word in GONE:
                # Somebody deleted it, and so wants to hear no more.
                return False
            raise
        if reply.file is not None:
            place = Place(channel=posted.channel, user="", thread=posted.ref)
            await self._upload(place, reply, reply.file.name, reply.file)
        return True
