"""The last resort: when the engine does not answer, the pager wakes people by itself.

It climbs one ladder, over and over, until the engine answers again or somebody says by the link of a message
that they have it. How far it is stands in a file, so that a pager that is started again goes on from there:
whoever dies between ringing and noting it rings once more, rather than once less.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from engine.adapters.outage_notes import Outage, OutageNotes, outage_id
from engine.core.vocabulary.escalations import Ladder, Purpose, Rung, notification_id
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.vocabulary.units import SECOND_US, duration_text
from engine.core.work.escalations.roster import Duty, Roster
from engine.errors import Unreachable, WatchkeeperError
from engine.runtime import wire
from engine.runtime.wire_escalations import DutyShown, GetDuty
from notifiers.channel import Channel, Message, NotSent
from notifiers.composing import ACKNOWLEDGE
from notifiers.pager import Book, Engine

_LOOK_S: Final = 2.0
_PATIENCE_S: Final = 5.0
_DUTY_S: Final = 60.0
"""How often it is asked who has which duty, while there is somebody to ask."""
_DEADLINE_S: Final = 15.0
"""The longest a channel may take; each has a shorter deadline of its own."""
_SOON_US: Final = 5 * SECOND_US
"""When the next rung rings after one that reached nobody."""
_BY_LINK: Final = frozenset({"ntfy"})
"""Channels whose buttons use the link. Those of all others would ask the engine."""
_log: Final = logging.getLogger(__name__)


class Ways(Struct, frozen=True, kw_only=True):
    """How people are reached without an engine."""

    channels: Mapping[str, Channel]
    roster: Roster
    book: Book
    ladder: Ladder
    """Climbed from its first rung to its last, and again; its rounds and its failsafe do not count here."""
    link: Callable[[EscalationId, PersonId], str]
    """The page on which somebody takes it; empty where there is none."""


class LastResort:
    """Watches the engine, and wakes people when it does not answer."""

    def __init__(
        self,
        engine: Engine,
        ways: Ways,
        notes: OutageNotes,
        *,
        now_us: Callable[[], int],
        after_s: float = 30.0,
        look_s: float = _LOOK_S,
    ) -> None:
        """`after_s` is how long the engine may be silent, `look_s` how often it is looked at."""
        self._engine, self._ways, self._notes = engine, ways, notes
        self._now_us, self._after_us, self._look_s = now_us, round(after_s * SECOND_US), look_s
        self._rings = tuple(_every_ring(ways.ladder))
        self._silent_us: int | None = None
        self._outage: Outage | None = notes.standing()
        self._duty, self._duty_us = Duty(), 0

    async def run(self) -> None:
        """Watch, for ever. End it by cancelling."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_s)

    async def look(self) -> None:
        """Look once, and do what is due."""
        if await self._answers():
            self._silent_us = None
            if self._outage is not None:
                await self._end(self._outage)
            return
        now_us = self._now_us()
        if self._silent_us is None:
            self._silent_us = now_us
        if now_us - self._silent_us < self._after_us:
            return
        if self._outage is None:
            began_us = self._silent_us
            _log.error("the engine has not answered for %g s", self._after_us / SECOND_US)
            self._keep(Outage(outage_id=outage_id(began_us), began_us=began_us))
        if self._outage is not None:
            await self._go_on(self._outage, now_us)

    # ------------------------------------------------------------ the engine

    async def _answers(self) -> bool:
        """Say whether the engine answers; whatever it says, it lives."""
        try:
            await self._engine.ask(wire.GetStatus(), timeout_s=_PATIENCE_S)
            if self._now_us() >= self._duty_us:
                self._duty_us = self._now_us() + round(_DUTY_S * SECOND_US)
                said = await self._engine.ask(GetDuty(), timeout_s=_PATIENCE_S)
                if isinstance(said, DutyShown):
                    self._duty = Duty(
                        captain=said.captain, deputy=said.deputy, away=said.away, changes=said.changes
                    )
        except Unreachable:
            return False
        except WatchkeeperError:
            return True
        return True

    # ------------------------------------------------------------ an outage

    async def _go_on(self, outage: Outage, now_us: int) -> None:
        """Ring if it is time to, unless somebody has it."""
        answer = self._notes.answered(outage.outage_id)
        if answer is not None and now_us >= answer.at_us + self._ways.ladder.ask_again_us:
            # Whoever said so may have fallen asleep again.
            answer = None
            if outage.told:
                _log.warning("%s has the outage, and the engine still does not answer", outage.told)
                outage = replace(outage, told=PersonId(""), rings=0)
                self._note(self._notes.ask_again)
        if answer is None:
            if now_us >= outage.rang_us + self._wait_us(outage):
                await self._ring(outage, now_us)
        elif not outage.told:
            title = f"{answer.by} has it: the engine does not answer"
            made = await self._tell_woken(outage, "told", title, but=answer.by)
            self._keep(replace(outage, told=answer.by, made=outage.made + made))

    def _wait_us(self, outage: Outage) -> int:
        """Say how long the rung that rang last is waited for; nothing before the first."""
        if outage.rings == 0:
            return 0
        rung = self._rings[(outage.rings - 1) % len(self._rings)]
        return rung.wait_us if outage.heard else min(rung.wait_us, _SOON_US)

    async def _ring(self, outage: Outage, now_us: int) -> None:
        rung = self._rings[outage.rings % len(self._rings)]
        meant = tuple(self._meant(rung, now_us))
        asked = [
            self._send(self._wake(outage, outage.made + place, channel, person, now_us))
            for place, (person, channel) in enumerate(meant, 1)
        ]
        rang = await asyncio.gather(*asked)
        woken = dict(outage.woken)
        for (person, channel), was_sent in zip(meant, rang, strict=True):
            if was_sent:
                woken[person] = tuple(dict.fromkeys((*woken.get(person, ()), channel)))
        rings, made = outage.rings + 1, outage.made + len(meant)
        self._keep(replace(outage, rings=rings, rang_us=now_us, heard=any(rang), woken=woken, made=made))

    def _meant(self, rung: Rung, now_us: int) -> Iterator[tuple[PersonId, str]]:
        """Give whom a rung means now, and by which channels they may be reached."""
        people = dict.fromkeys(
            person for target in rung.to for person in self._ways.roster.found(target, now_us, self._duty)
        )
        for person in people:
            for channel in rung.by:
                against = self._ways.roster.against(person, channel, "critical", now_us)
                if against is None:
                    yield person, channel
                else:
                    _log.warning("%s is not rung by %s: %s", person, channel, against.why)
        yield from ((PersonId(""), channel) for channel in rung.post)

    async def _end(self, outage: Outage) -> None:
        """Say that it is over, to everybody who was woken."""
        self._outage = None
        self._note(self._notes.forget)
        _log.warning("the engine answers again")
        await self._tell_woken(outage, "over", "The engine of Watchkeeper answers again")

    async def _tell_woken(
        self, outage: Outage, purpose: Purpose, title: str, *, but: PersonId | None = None
    ) -> int:
        """Tell everybody who was woken, by what does more than ring; returns how many messages that took."""
        ways = [
            (person, channel)
            for person, channels in sorted(outage.woken.items())
            for channel in channels
            if person != but and not self._ways.roster.rings(channel)
        ]
        await asyncio.gather(
            *(
                self._send(
                    self._message(outage, outage.made + nth, channel, person, purpose=purpose, title=title)
                )
                for nth, (person, channel) in enumerate(ways, 1)
            )
        )
        return len(ways)

    def _keep(self, outage: Outage) -> None:
        self._outage = outage
        self._note(lambda: self._notes.keep(outage))

    @staticmethod
    def _note(write: Callable[[], None]) -> None:
        """Note something. Where nothing can be written, as on a full disk, people are woken all the same."""
        try:
            write()
        except WatchkeeperError as failure:
            _log.warning("the outage of the engine could not be noted: %s", failure)

    # ------------------------------------------------------------ messages

    def _wake(
        self, outage: Outage, nth: int, channel: str, person: PersonId, now_us: int
    ) -> tuple[str, Message]:
        since = self._ways.book.clock(person, outage.began_us)
        silent = duration_text((now_us - outage.began_us) // SECOND_US)
        lines = (
            f"It has not answered since {since}, for {silent}.",
            "Nothing is decided or started while it does not. On its machine: watchkeeper status.",
        )
        title = "The engine of Watchkeeper does not answer"
        return self._message(outage, nth, channel, person, purpose="wake", title=title, lines=lines)

    def _message(
        self,
        outage: Outage,
        nth: int,
        channel: str,
        person: PersonId,
        *,
        purpose: Purpose,
        title: str,
        lines: tuple[str, ...] = (),
    ) -> tuple[str, Message]:
        link = self._ways.link(outage.outage_id, person) if purpose == "wake" else ""
        return channel, Message(
            notification_id=notification_id(outage.outage_id, nth),
            escalation_id=outage.outage_id,
            attempt=1,
            person=person,
            address=self._ways.book.address(person, channel),
            purpose=purpose,
            severity="critical",
            code="",
            title=title,
            lines=lines,
            sent_us=self._now_us(),
            choices=(ACKNOWLEDGE,) if link and channel in _BY_LINK else (),
            link=link,
            thread=outage.outage_id,
        )

    async def _send(self, what: tuple[str, Message]) -> bool:
        """Send one, and say whether somebody took it. A channel that fails keeps no other from ringing."""
        name, message = what
        channel = self._ways.channels.get(name)
        if channel is None:
            return False
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await channel.send(message)
        except (NotSent, TimeoutError) as failure:
            _log.warning("%s did not reach %s: %s", name, message.person or "anybody", failure)
            return False
        except Exception:  # noqa: BLE001 - a bug of one channel must not keep the others from ringing
            _log.exception("the channel %s failed", name)
            return False
        return True


def _every_ring(ladder: Ladder) -> Iterator[Rung]:
    """Give each rung as often as it rings in one round."""
    for rung in ladder.rungs:
        yield from (rung,) * (rung.repeat + 1)
