"""Events: what happens in channels, told to a bot that asked, and told again when it did not listen."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

from simulator.fakes.fake_slack.activity import Activity
from simulator.fakes.fake_slack.deliveries import REASONS, Delivered, Line, Retry
from simulator.fakes.fake_slack.payloads import event_callback
from simulator.fakes.fake_slack.workspace import BOT_USER_ID, TEAM_ID, Channel, Json, Workspace

RETRY_DELAYS_S: Final = (0.0, 60.0, 300.0)
"""Slack tries an event again nearly at once, after a minute and after five, and then gives up."""

_MESSAGES: Final = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}


class News:
    """Tells the bot of events in the order in which they happened."""

    def __init__(
        self,
        *,
        workspace: Workspace,
        activity: Activity,
        line: Callable[[], Line],
        wanted: Collection[str],
        retry_delays_s: Sequence[float],
    ) -> None:
        self._workspace = workspace
        self._activity = activity
        self._line = line
        self.wanted = set(wanted)
        """The names of the events the app asked for, such as `message.channels`."""
        self._retry_delays_s = retry_delays_s
        self._telling: set[asyncio.Task[Delivered]] = set()
        self.given_up: list[Json] = []
        """The payloads of events that no attempt could deliver."""

    def of_message(
        self, channel: Channel, event: Json, *, copies: int = 1, retries: int = 0
    ) -> asyncio.Task[Delivered] | None:
        """Tell of something that happened to a message."""
        return self.tell(_MESSAGES[channel.kind], channel, event, copies=copies, retries=retries)

    def tell(
        self, name: str, channel: Channel, event: Json, *, copies: int = 1, retries: int = 0
    ) -> asyncio.Task[Delivered] | None:
        """Start telling of one event; `None` when the bot did not ask for it or is not there to see it.

        `copies` is how often the same envelope goes out, `retries` how many more follow in new ones, as after
        acknowledgements that got lost.
        """
        if name not in self.wanted or BOT_USER_ID not in channel.members:
            return None
        task = asyncio.create_task(self._tell(event_callback(self._workspace, event), copies, retries))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return task

    def of_joining(self, channel: Channel) -> None:
        """Take the bot into a channel, and tell it so."""
        channel.members.add(BOT_USER_ID)
        event = {
            "type": "member_joined_channel",
            "user": BOT_USER_ID,
            "channel": channel.id,
            "channel_type": "G" if channel.is_private else "C",
            "team": TEAM_ID,
            "event_ts": self._workspace.new_ts(),
        }
        self.tell("member_joined_channel", channel, event)
        self._activity.happened()

    def of_reaction(self, channel: Channel, *, account: str, ts: str, author: str, name: str) -> None:
        """Tell that somebody reacted to a message."""
        event = {
            "type": "reaction_added",
            "user": account,
            "reaction": name,
            "item": {"type": "message", "channel": channel.id, "ts": ts},
            "item_user": author,
            "event_ts": self._workspace.new_ts(),
        }
        self.tell("reaction_added", channel, event)

    async def again(self, payload: Json, *, attempt: int, reason: str = "timeout") -> Delivered:
        """Tell of an event once more in a new envelope, as after an acknowledgement that got lost."""
        retry = Retry(attempt=attempt, reason=reason)
        return await self._line().deliver("events_api", payload, retry=retry)

    async def _tell(self, payload: Json, copies: int, retries: int) -> Delivered:
        told = await self._line().deliver("events_api", payload, copies=copies)
        first = told
        for attempt in range(1, retries + 1):
            await self.again(payload, attempt=attempt)
        for attempt, delay_s in enumerate(self._retry_delays_s, 1):
            if not told.failed or told.no_retry:
                return first
            await asyncio.sleep(delay_s)
            told = await self.again(payload, attempt=attempt, reason=REASONS.get(told.failed, "http_error"))
        if told.failed:
            self.given_up.append(payload)
            self._activity.happened()
        return first

    async def close(self) -> None:
        """Stop telling."""
        for task in list(self._telling):
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)
