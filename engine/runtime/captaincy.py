"""The captaincy as the engine keeps it: who begins, and what people say of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import UNSET

from engine.core.policy import Policy
from engine.core.vocabulary import facts as f
from engine.core.work.captaincy import Captaincy, CaptaincyFact, objection
from engine.errors import InputError
from engine.ports import Announcer
from engine.runtime import wire
from engine.runtime.intake import Intake


class CaptaincyKeeper:
    """Takes words on the captaincy."""

    def __init__(
        self, policy: Policy, intake: Intake, now_us: Callable[[], int], announcer: Announcer
    ) -> None:
        """Share the engine's intake and clock; begin as the policy says, if it names others than before."""
        settings = self._settings = policy.captaincy
        self._intake, self._now_us, self._announcer = intake, now_us, announcer
        self._one = asyncio.Lock()
        begins = (settings.captain, settings.deputy)
        if self._known().begun != begins:
            fact = f.CaptaincyBegun(at_us=now_us(), captain=begins[0], deputy=begins[1])
            intake.take_now(self._key(), fact)

    def handlers(self) -> dict[type[wire.Request], Callable[[Any], Awaitable[wire.AnyAnswer]]]:
        """Say which request is answered by what."""
        return {wire.SayOfCaptaincy: self.say, wire.GetCaptaincy: self.show}

    async def say(self, request: wire.SayOfCaptaincy) -> wire.CaptaincyShown:
        """Take a word. Raises `InputError` when it does not count."""
        async with self._one:
            known, by, to = self._known(), request.by, request.to
            if against := objection(known, request.word, by, to):
                raise InputError(against, cure="/captain shows who holds it")
            self._check_name(request)
            at_us, reason = self._now_us(), request.reason
            fact: CaptaincyFact
            match request.word:
                case "hand-over" if self._settings.confirm:
                    fact = f.CaptaincyOffered(at_us=at_us, by=by, to=to, reason=reason)
                    told = f"{by} offers {to} the captaincy; {to} says /captain accept, or /captain decline"
                case "hand-over":
                    fact = f.CaptaincyPassed(at_us=at_us, by=by, to=to, reason=reason)
                    told = f"{by} handed the captaincy over to {to}"
                case "accept":
                    fact = f.CaptaincyPassed(at_us=at_us, by=known.captain, to=by, reason=reason)
                    told = f"{by} took the captaincy over from {known.captain}"
                case "decline":
                    fact = f.CaptaincyDeclined(at_us=at_us, by=by, reason=reason)
                    told = f"{by} ended the offer of the captaincy to {known.offered}"
                case "deputy":
                    fact = f.DeputyNamed(at_us=at_us, by=by, deputy=to)
                    told = f"{by} made {to} the captain's deputy"
                case "away" | "back":
                    fact = f.CaptainAway(at_us=at_us, by=by, away=request.word == "away", reason=reason)
                    there = f"is back, and acts again ({known.captain})"
                    gone = f"is away ({known.captain}), and {known.deputy} acts"
                    told = f"{by} says that the captain {gone if fact.away else there}"
            await self._intake.take(self._key(), fact)
        self._announcer.announce("captaincy", f"{told}: {reason}" if reason else told, urgent=True)
        return await self.show()

    def _check_name(self, request: wire.SayOfCaptaincy) -> None:
        """Refuse a name that nobody bears, where nobody would notice: what is offered has to be accepted."""
        at_once = request.word == "deputy" or (request.word == "hand-over" and not self._settings.confirm)
        if at_once and not request.known and request.to not in self._intake.state.presence.by_person:
            raise InputError(f"nobody called {request.to} was seen here", cure="have them linked: /link")

    async def show(self, _request: wire.GetCaptaincy | None = None) -> wire.CaptaincyShown:
        """Say who holds it."""
        known = self._known()
        return wire.CaptaincyShown(
            captain=known.captain,
            deputy=known.deputy,
            away=known.away,
            acting=known.acting,
            offered=known.offered,
            confirm=self._settings.confirm,
        )

    def _known(self) -> Captaincy:
        known = self._intake.state.captaincy
        return Captaincy() if known is UNSET else known

    def _key(self) -> str:
        return f"captaincy:{self._known().facts + 1}"
