"""The board's channel in Slack: one message for each decision, edited in place, a thread for each episode."""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_app.answering import QUIET
from bot.slack_app.calls import GONE, SlackRefused, slack_errors
from bot.slack_app.render import render
from engine.commands.model import Front, Reply

DECISION = "wk_decision"
"""What the metadata of a decision's message is called, by which it can be found again."""


class ChannelPoster:
    """Posts to one channel. The board calls it."""

    front: Front = "slack"

    def __init__(self, client: AsyncWebClient, channel: str) -> None:
        """Take the channel's id."""
        self._client, self.channel = client, channel

    async def post(self, reply: Reply, *, thread: str) -> str:
        """Post, and return the message's timestamp, which is its name in Slack."""
        with slack_errors(f"posting to {self.channel}"):
            answer = await self._client.chat_postMessage(
                channel=self.channel, thread_ts=thread or None, **_message(reply, thread), **QUIET
            )
        return str(answer["ts"])

    async def edit(self, ref: str, reply: Reply) -> bool:
        """Show something else in a message; false when it is not there any more."""
        try:
            with slack_errors(f"editing in {self.channel}"):
                await self._client.chat_update(channel=self.channel, ts=ref, **_message(reply, ""))
        except SlackRefused as refused:
            if refused.word in GONE:
                return False
            raise
        return True

    async def open_thread(self, ref: str, name: str) -> str:
        """Return the thread under a message: Slack knows it by that message."""
        return ref


def _message(reply: Reply, thread: str) -> dict[str, Any]:
    message = render(reply, thread=thread).message()
    if reply.about is not None:
        message["metadata"] = {"event_type": DECISION, "event_payload": {"decision": reply.about}}
    return message
