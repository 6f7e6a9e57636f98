"""The pager: takes what is to be sent from the engine, sends it, and says what became of it.

It decides nothing. Whether and when something is tried again is the engine's to say, for that is in the
journal and outlasts any process.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol, TypeGuard, cast

from engine.core.vocabulary.escalation_facts import EscalationAcknowledged, EscalationSnoozed
from engine.core.vocabulary.ids import EscalationId, NotificationId, PersonId
from engine.core.vocabulary.people_facts import Role
from engine.errors import Unreachable, WatchkeeperError
from engine.runtime import wire
from engine.runtime.wire_escalations import (
    AnswerEscalation,
    GetSent,
    NotificationGiven,
    NotificationsGiven,
    ReportNotification,
    TakeNotifications,
)
from notifiers.channel import (
    Acknowledged,
    Channel,
    Listening,
    Message,
    NotSent,
    Report,
    Sent,
    Silencing,
)
from notifiers.composing import compose

_log = logging.getLogger(__name__)

_WAIT_S: Final = 20.0
"""How long the engine keeps us waiting for something to send."""
_PATIENCE_S: Final = 5.0
_PAUSE_S: Final = 0.25
_DEADLINE_S: Final = 15.0
"""The longest a channel may take. Each has a shorter deadline of its own; this one is for one that forgot."""
_REMEMBERED: Final = 10_000

_Attempt = tuple[NotificationId, int]


class Engine(Protocol):
    """What the pager needs of the engine's client."""

    async def ask(self, request: wire.AnyRequest, *, timeout_s: float | None = None) -> wire.AnyAnswer:
        """Ask, and return the answer. Raises the error a refusal names, and `Unreachable`."""

    def subscribe(self) -> AsyncIterator[wire.Happened]:
        """Hear of everything that happens from now on, until the engine goes away."""


class Book(Protocol):
    """Where people are reached."""

    def address(self, person: PersonId, channel: str) -> str:
        """Return the address of a person on a channel; empty where there is none."""

    def clock(self, person: PersonId, at_us: int) -> str:
        """Write a moment as it stands on a person's wall, and in UTC for nobody in particular."""

    def role(self, person: PersonId) -> Role:
        """Return what a person may do."""


class Pager:
    """Sends what the engine wants sent."""

    def __init__(
        self,
        engine: Engine,
        channels: Mapping[str, Channel],
        book: Book,
        *,
        name: str,
        now_us: Callable[[], int],
        link: Callable[[EscalationId, PersonId], str],
    ) -> None:
        """`name` tells this process from the one before it. Nothing is sent yet: `run` does."""
        self._engine, self._channels, self._book = engine, channels, book
        self._name, self._now_us, self._link = name, now_us, link
        self._under_way: dict[_Attempt, asyncio.Task[None]] = {}
        self._done: OrderedDict[_Attempt, ReportNotification] = OrderedDict()
        self._expected: dict[NotificationId, tuple[EscalationId, PersonId, str]] = {}

    async def run(self) -> None:
        """Send, for ever, through every restart of the engine. End it by cancelling."""
        async with asyncio.TaskGroup() as group:
            for channel in self._channels.values():
                if _listens(channel):
                    group.create_task(self._listen(channel))
            group.create_task(self._hush())
            await self._expect_again()
            while True:
                try:
                    given = await self._take()
                except Unreachable:
                    # The supervisor starts it again, and says so.
                    await asyncio.sleep(_PAUSE_S)
                    continue
                except WatchkeeperError as failure:
                    _log.warning("the engine gives out nothing: %s", failure)
                    await asyncio.sleep(_PAUSE_S)
                    continue
                for each in given:
                    self._begin(each, group)

    async def _take(self) -> tuple[NotificationGiven, ...]:
        request = TakeNotifications(pager=self._name, holding=tuple(self._under_way), wait_s=_WAIT_S)
        said = await self._engine.ask(request, timeout_s=_WAIT_S + _PATIENCE_S)
        return said.notifications if isinstance(said, NotificationsGiven) else ()

    def _begin(self, given: NotificationGiven, group: asyncio.TaskGroup) -> None:
        attempt = (given.notification.notification_id, given.notification.attempt)
        if attempt in self._under_way:
            return
        # An engine that was restarted gives out again what it was not told of in time.
        known = self._done.get(attempt)
        work = self._report(known) if known is not None else self._send(given)
        task = group.create_task(work)
        self._under_way[attempt] = task
        task.add_done_callback(lambda _: self._under_way.pop(attempt, None))

    async def _send(self, given: NotificationGiven) -> None:
        report = await self.send(given)
        self._done[report.notification_id, given.notification.attempt] = report
        while len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        await self._report(report)

    async def send(self, given: NotificationGiven) -> ReportNotification:
        """Send one notification, once, and return what became of it."""
        notification = given.notification
        channel = self._channels.get(notification.channel)
        try:
            if channel is None:
                raise NotSent(
                    f"there is no channel {notification.channel}", kind="setup", cure="see channels.yaml"
                )
            address = self._book.address(notification.person, notification.channel)
            if channel.capabilities.personal and not address:
                raise NotSent(
                    f"{notification.person} has no address for {notification.channel}", kind="address"
                )
            message = compose(
                given,
                address=address,
                now_us=self._now_us(),
                clock=lambda at_us: self._book.clock(notification.person, at_us),
                link=self._link,
            )
            sent = await self._sent(channel, message, unsure=given.unsure)
        except NotSent as failure:
            return _failed(given, failure)
        if _listens(channel):
            self._expect(channel, message, sent.ref)
        return ReportNotification(
            notification_id=notification.notification_id,
            attempt=notification.attempt,
            delivery=sent.delivery,
            ref=sent.ref,
        )

    async def _sent(self, channel: Channel, message: Message, *, unsure: bool) -> Sent:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                if unsure and (sent := await self._found(channel, message)) is not None:
                    return sent
                return await channel.send(message)
        except TimeoutError as error:
            raise NotSent(f"{channel.name} did not come to an end in time", kind="unsure") from error
        except NotSent:
            raise
        except Exception as bug:
            # It must not take the other channels with it: they still wake somebody.
            _log.exception("the channel %s failed", channel.name)
            raise NotSent(f"{channel.name} failed with {type(bug).__name__}", kind="unsure") from bug

    @staticmethod
    async def _found(channel: Channel, message: Message) -> Sent | None:
        """Look whether it was sent. Where nobody can say it is sent: rather twice than not at all."""
        try:
            return await channel.reconcile(message)
        except NotSent:
            return None

    async def _report(self, report: ReportNotification) -> None:
        """Tell the engine, until it has heard."""
        while True:
            try:
                await self._engine.ask(report)
            except Unreachable:
                await asyncio.sleep(_PAUSE_S)
            except WatchkeeperError as failure:
                _log.warning("what became of %s could not be told: %s", report.notification_id, failure)
                await asyncio.sleep(_PAUSE_S)
            else:
                return

    async def _hush(self) -> None:
        """Have channels that ring by themselves leave those alone who took it elsewhere."""
        while any(_silences(channel) for channel in self._channels.values()):
            with suppress(WatchkeeperError):
                async for happened in self._engine.subscribe():
                    if isinstance(happened.fact, EscalationAcknowledged | EscalationSnoozed):
                        await self._silence(happened.fact.escalation_id, happened.fact.by)
            await asyncio.sleep(_PAUSE_S)

    async def _silence(self, escalation: EscalationId, person: PersonId) -> None:
        for channel in self._channels.values():
            if _silences(channel):
                try:
                    await channel.silence(escalation, person)
                except NotSent as failure:
                    _log.warning("%s may ring on: %s", person, failure)

    # ------------------------------------------------------------ channels that have to be asked

    async def _listen(self, channel: Listening) -> None:
        while True:
            try:
                await channel.listen(self._hear)
            except NotSent as failure:
                _log.warning("receipts cannot be asked for: %s", failure)
            await asyncio.sleep(_PAUSE_S)

    async def _expect_again(self) -> None:
        """Go on asking about what was sent before this process began."""
        names = tuple(name for name, channel in self._channels.items() if _listens(channel))
        while names:
            try:
                said = await self._engine.ask(GetSent(channels=names))
            except WatchkeeperError:
                await asyncio.sleep(_PAUSE_S)
                continue
            for each in said.notifications if isinstance(said, NotificationsGiven) else ():
                channel = self._channels[each.notification.channel]
                message = compose(
                    each,
                    address=self._book.address(each.notification.person, each.notification.channel),
                    now_us=self._now_us(),
                    clock=lambda at_us: self._book.clock(PersonId(""), at_us),
                    link=self._link,
                )
                if _listens(channel):
                    self._expect(channel, message, each.ref)
            return

    def _expect(self, channel: Listening, message: Message, ref: str) -> None:
        name = cast("Channel", channel).name
        self._expected[message.notification_id] = (message.escalation_id, message.person, name)
        channel.expect(message, ref)

    async def _hear(self, told: Report | Acknowledged) -> None:
        """Take what a provider says later."""
        if isinstance(told, Report):
            await self._report(
                ReportNotification(
                    notification_id=told.notification_id,
                    delivery=told.delivery,
                    detail=told.detail,
                )
            )
            return
        known = self._expected.get(told.notification_id)
        if known is None:
            return
        escalation, _, channel = known
        word = AnswerEscalation(
            escalation=escalation,
            word="acknowledge",
            by=told.person,
            role=self._book.role(told.person),
            via=channel,
        )
        while True:
            try:
                await self._engine.ask(word)
            except Unreachable:
                await asyncio.sleep(_PAUSE_S)
            except WatchkeeperError as refused:
                _log.info("an acknowledgement on %s did not count: %s", channel, refused)
                return
            else:
                return


def _listens(channel: object) -> TypeGuard[Listening]:
    return hasattr(channel, "listen")


def _silences(channel: object) -> TypeGuard[Silencing]:
    return hasattr(channel, "silence")


def _failed(given: NotificationGiven, failure: NotSent) -> ReportNotification:
    return ReportNotification(
        notification_id=given.notification.notification_id,
        attempt=given.notification.attempt,
        delivery="failed",
        failure=failure.kind,
        retry_s=failure.retry_s,
        detail=str(failure),
    )
