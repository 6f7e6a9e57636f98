"""The desk behind the telephone: what calls and SMS do with the engine. The kill switch needs none."""

import logging
from collections.abc import Callable
from typing import Final

from bot.http_api.phone import Phone
from engine.adapters.secret_file import read_secret
from engine.commands.hearing import Engine
from engine.commands.stopping import Stopping
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import DecisionId, NotificationId, PersonId
from engine.errors import Forbidden, InputError
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.clock import SteadyClock
from engine.runtime.wire_escalations import (
    AnswerEscalation,
    EscalationAnswer,
    EscalationWord,
    FindNotifications,
    NotificationGiven,
    NotificationsGiven,
    ReportNotification,
)
from engine.wiring.service import Service, read_channels
from notifiers.book import RosterBook, read_roster
from notifiers.channel import Message, Report, Word
from notifiers.composing import compose
from notifiers.twiml import Voice

_SOON_S: Final = 4.0
"""Twilio hangs up on who keeps it waiting for 15 s, and people do so sooner."""
_GUIDE: Final = "docs/howto/channels.md"
_log = logging.getLogger("watchkeeper.phone")


class EnginePhoneDesk:
    """The port `PhoneDesk` over the engine."""

    def __init__(
        self, engine: Engine, stopping: Stopping, book: RosterBook, now_us: Callable[[], int]
    ) -> None:
        """Share the front's connection to the engine."""
        self._engine, self._stopping, self._book, self._now_us = engine, stopping, book, now_us

    async def message(self, notification_id: NotificationId) -> Message | None:
        """Return what somebody is called for; `None` when there is no such, or it is over."""
        found = await self._found(FindNotifications(notification_id=notification_id))
        return self._composed(found[0]) if found else None

    async def by_code(self, code: str, person: PersonId) -> Message | None:
        """Return what somebody was sent about the open escalation of a code, newest first.

        An empty code means the only one that is open for this person; with several it is `None`.
        """
        found = await self._found(FindNotifications(person=person, code=code))
        if len({each.escalation.escalation_id for each in found}) != 1:
            return None
        # Word that somebody has it takes nothing back of what the person was asked before that.
        asked = [each for each in found if each.notification.purpose in {"wake", "again"}]
        return self._composed((asked or found)[0])

    async def say(
        self,
        notification_id: NotificationId,
        person: PersonId,
        word: Word,
        *,
        via: str,
        key: str,  # noqa: ARG002 - every word here comes to the same when it comes twice
    ) -> str:
        """Do what a person answered; returns what to say back, in a sentence."""
        if word == "stop":
            return await self.stop(person, via=via, reason=f"by {via}, answering {notification_id}")
        found = await self._found(FindNotifications(notification_id=notification_id))
        if not found:
            return "This is over. Nothing was done."
        given = found[0]
        if word in {"approve", "deny"}:
            return await self._decide(given, person, word)
        words: dict[Word, EscalationWord] = {"acknowledge": "acknowledge", "pass": "pass"}
        said = await self._ask(
            AnswerEscalation(
                escalation=given.escalation.escalation_id,
                word=words[word],
                by=person,
                role=self._book.role(person),
                via=via,
            )
        )
        if not isinstance(said, EscalationAnswer):
            return "That was not understood."
        return "You have it." if said.counted and word == "acknowledge" else f"{said.reason}.".capitalize()

    async def stop(self, person: PersonId, *, via: str, reason: str) -> str:  # noqa: ARG002 - said in the reason
        """Stop all autonomy; returns what to say back. Needs no engine."""
        if self._book.role(person) == "viewer":
            raise Forbidden(f"{person} may only look", cure="ask a responder or a captain")
        await self._stopping.set(Stop(scope=Scope("all"), by=person, reason=reason, at_us=self._now_us()))
        return "All autonomy is stopped."

    async def _decide(self, given: NotificationGiven, person: PersonId, word: Word) -> str:
        if not given.answerable:
            raise InputError(
                "it takes more than a plain word to decide this", cure="use chat or the terminal"
            )
        said = await self._ask(
            wire.AnswerHold(
                decision_id=DecisionId(given.escalation.about),
                by=person,
                role=self._book.role(person),
                answer="approve" if word == "approve" else "deny",
                reason="" if word == "approve" else "denied by phone",
            )
        )
        if not isinstance(said, wire.HoldAnswer):
            return "That was not understood."
        return f"{said.reason}.".capitalize() if said.reason else "Done."

    async def report(self, report: Report) -> None:
        """Note how far a notification got. Comes late, twice and in any order."""
        # A number that was busy is rung again by the ladder's own repeats, and not as a failure to be mended.
        await self._ask(
            ReportNotification(
                notification_id=report.notification_id, delivery=report.delivery, detail=report.detail
            )
        )

    async def _found(self, request: FindNotifications) -> tuple[NotificationGiven, ...]:
        said = await self._ask(request)
        return said.notifications if isinstance(said, NotificationsGiven) else ()

    async def _ask(self, request: wire.AnyRequest) -> wire.AnyAnswer:
        return await self._engine.ask(request, timeout_s=_SOON_S)

    def _composed(self, given: NotificationGiven) -> Message:
        person, channel = given.notification.person, given.notification.channel
        return compose(
            given,
            address=self._book.address(person, channel),
            now_us=self._now_us(),
            clock=lambda at_us: self._book.clock(person, at_us),
            link=lambda _escalation, _person: "",
        )


def phones_of(service: Service, engine: Engine, stopping: Stopping) -> Phone | None:
    """Make what the routes for Twilio work with; `None` where it is not used, or cannot find us.

    Without its token nobody can tell its callbacks from forged ones: then there are none, and the rest of the
    front goes on. Raises `InputError` for files that cannot be read.
    """
    settings = read_channels(service.config)
    if settings.twilio is None or settings.public_url is None:
        return None
    try:
        token = read_secret(service.layout.channels / "twilio-token", guide=_GUIDE)
    except InputError as missing:
        _log.warning("phones cannot answer us: %s", missing)
        return None
    roster = read_roster(service, settings)
    numbers = {each.phone: person for person, each in roster.people.items() if each.phone}
    return Phone(
        desk=EnginePhoneDesk(engine, stopping, RosterBook(roster), SteadyClock().now_us),
        person_of=numbers.get,
        account_sid=settings.twilio.account_sid,
        token=token,
        public_url=settings.public_url,
        voice=Voice(voice=settings.twilio.voice, language=settings.twilio.language),
    )
