"""Sendings: hands notifications out to whoever sends them, and takes what became of each.

Which are to be sent is in the journal. Who was given one is only known here: after a restart all that nobody
reported on is given out again, as something that may have been sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from typing import Any, Final

from msgspec import UNSET

from engine.core.needs import is_answerable
from engine.core.vocabulary.escalation_facts import NotificationReported
from engine.core.vocabulary.escalations import Delivery
from engine.core.vocabulary.ids import DecisionId, EscalationId, NotificationId
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.escalations.climbing import DELIVERY_OF, retry_us
from engine.core.work.escalations.folding import changes
from engine.core.work.escalations.standing import Escalation, Sending
from engine.runtime.escalation_words import shown
from engine.runtime.waking import Waking
from engine.runtime.wire_escalations import (
    EscalationReply,
    FindNotifications,
    GetSent,
    Noted,
    NotificationGiven,
    NotificationsGiven,
    ReportNotification,
    TakeNotifications,
)
from engine.runtime.wire_words import Request

_SILENT_US: Final = 60 * SECOND_US
"""A pager that asked for nothing in this time is gone: each asks again within half of it."""
_LOOK_S: Final = 5.0
_MOST: Final = 200
"""So many are given at once: a line on the wire stays small."""


class Sendings:
    """What is to be sent, and who was given it."""

    def __init__(self, waking: Waking) -> None:
        """Share the keeper of escalations, and hear of everything it takes."""
        self._waking = waking
        self._handed_out: set[tuple[NotificationId, int]] = set()
        self._pagers: set[str] = set()
        self._current, self._seen_us = "", 0
        self._began_us = waking.now_us()
        self._news = asyncio.Event()
        self._changed = dict.fromkeys(waking.state.by_id)
        """Which escalations may have something to be sent, in order: no other is looked at."""
        waking.subscribe(self._hear)

    def handlers(self) -> dict[type[Request], Callable[[Any], Awaitable[EscalationReply]]]:
        """Say which request is answered by what."""
        return {
            TakeNotifications: self.give,
            GetSent: self.sent,
            FindNotifications: self.find,
            ReportNotification: self.report,
        }

    async def give(self, request: TakeNotifications) -> NotificationsGiven:
        """Give out what is to be sent and the pager does not hold; wait for it for as long as was asked.

        One pager sends at a time. A new one takes over from the one before it, whose connection may linger;
        an old one does so only when the new one seems to be gone.
        """
        if request.pager not in self._pagers:
            self._pagers.add(request.pager)
            self._current = request.pager
            self._news.set()
        running = asyncio.get_running_loop()
        deadline = running.time() + request.wait_s
        while True:
            self._news.clear()
            found: list[NotificationGiven] = []
            now_us = self._waking.now_us()
            if self._current != request.pager and now_us > self._seen_us + _SILENT_US:
                self._current = request.pager
            if self._current == request.pager:
                self._seen_us = now_us
                found = self._open(set(request.holding))
            left_s = deadline - running.time()
            if found or left_s <= 0:
                return NotificationsGiven(notifications=tuple(found))
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _LOOK_S)):
                    await self._news.wait()

    def _hear(self, changed: Collection[EscalationId]) -> None:
        self._changed.update(dict.fromkeys(changed))
        self._news.set()

    def _open(self, holding: set[tuple[NotificationId, int]]) -> list[NotificationGiven]:
        found: list[NotificationGiven] = []
        for name, escalation, sending in self._to_send():
            attempt = (sending.notification.notification_id, sending.notification.attempt)
            if attempt in holding:
                continue
            # Somebody who is gone may have sent it, or sent the try before it.
            before = attempt in self._handed_out or sending.requested_us < self._began_us
            self._handed_out.add(attempt)
            found.append(self._shown(name, escalation, sending, unsure=before or sending.was_unsure))
            if len(found) == _MOST:
                break
        return found

    def _to_send(self) -> Iterator[tuple[EscalationId, Escalation, Sending]]:
        for name in list(self._changed):
            escalation = self._waking.state.by_id.get(name)
            if escalation is None or not any(each.is_open for each in escalation.sendings.values()):
                del self._changed[name]
                continue
            for sending in escalation.sendings.values():
                if sending.is_open:
                    yield name, escalation, sending

    async def sent(self, request: GetSent) -> NotificationsGiven:
        """Say what these channels took that somebody may still answer there."""
        return NotificationsGiven(
            notifications=tuple(
                self._shown(name, escalation, sending, unsure=False)
                for name, escalation in self._waking.state.by_id.items()
                for sending in escalation.sendings.values()
                if escalation.is_open
                and sending.went_out
                and sending.notification.channel in request.channels
            )
        )

    async def find(self, request: FindNotifications) -> NotificationsGiven:
        """Say what somebody was sent while it is open."""
        found = [
            self._shown(name, escalation, sending, unsure=False)
            for name, escalation in reversed(self._waking.state.by_id.items())
            for sending in reversed(escalation.sendings.values())
            if escalation.is_open
            and request.code in {"", escalation.code}
            and request.notification_id in {None, sending.notification.notification_id}
            and request.person in {None, sending.notification.person}
        ]
        return NotificationsGiven(notifications=tuple(found[:_MOST]))

    def _shown(
        self, name: EscalationId, escalation: Escalation, sending: Sending, *, unsure: bool
    ) -> NotificationGiven:
        hold = self._waking.intake.state.holds.by_id.get(DecisionId(escalation.about))
        now_us = self._waking.now_us()
        return NotificationGiven(
            notification=sending.notification,
            escalation=shown(name, escalation),
            unsure=unsure,
            why=sending.why,
            answerable=hold is not None
            and hold.is_open(now_us)
            and is_answerable(hold)
            and not escalation.moved,
            ref=sending.ref,
            since_us=sending.requested_us if sending.first_us is None else sending.first_us,
        )

    async def report(self, request: ReportNotification) -> Noted:
        """Take what became of a notification."""
        name = EscalationId(request.notification_id.rpartition(".")[0])
        async with self._waking.lock:
            escalation = self._waking.state.by_id.get(name)
            sending = None if escalation is None else escalation.sendings.get(request.notification_id)
            if escalation is None or sending is None:
                return Noted(known=False)
            notification = sending.notification
            attempt = notification.attempt if request.attempt is None else request.attempt
            self._handed_out.discard((request.notification_id, attempt))
            now_us = self._waking.now_us()
            retry = None
            delivery: Delivery = request.delivery
            if request.failure is not None:
                delivery = DELIVERY_OF[request.failure]
                retry = retry_us(notification, request.failure, request.retry_s, now_us)
            fact = NotificationReported(
                at_us=now_us,
                escalation_id=name,
                notification_id=request.notification_id,
                attempt=attempt,
                delivery=delivery,
                kind=UNSET if request.failure is None else request.failure,
                ref=request.ref,
                detail=request.detail,
                retry_us=retry,
            )
            if not changes(sending, fact):
                return Noted(known=True)
            await self._waking.take([fact])
        return Noted(known=True)
