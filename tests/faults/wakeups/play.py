"""One night: needs come and go, people wake or do not, providers fail, and all of it is judged."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any, Final

from msgspec import Struct

from engine.core.vocabulary.escalation_facts import EscalationFact
from engine.core.vocabulary.facts import TroubleFound, TroubleGone
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.errors import InputError, Unreachable
from engine.runtime.wire_escalations import (
    AnswerEscalation,
    ChangeOnCall,
    ClearEscalation,
    HandEscalation,
    RaiseEscalation,
)
from notifiers.channel import Message
from tests.faults.wakeups.book import Broken
from tests.faults.wakeups.draw import BASE_US, PEOPLE, Need, Night, night
from tests.faults.wakeups.providers import Provider
from tests.faults.wakeups.virtual import VirtualLoop
from tests.faults.wakeups.world import World

_WORDS: Final = {
    "acknowledge": 60, "take": 12, "snooze": 8, "pass": 10, "hand": 6, "resolve": 5, "cancel": 3,
}  # fmt: skip
_LOOK_S: Final = 15.0


class Played(Struct, frozen=True):
    """What a night came to."""

    counts: Counter[str]
    story: tuple[str, ...]
    escalations: tuple[tuple[EscalationFact, ...], ...]
    """The facts of each."""
    head: str
    """The hash of the journal's last record: nights of one seed have one."""


class Play(World):
    """A night with people in it."""

    def __init__(self, loop: VirtualLoop, seed: str, drawn: Night | None = None) -> None:
        """Draw it, unless it was `drawn` already."""
        random = Random(seed)
        self._pages: Counter[tuple[PersonId, EscalationId]] = Counter()
        self._busy: set[tuple[PersonId, EscalationId]] = set()
        self._engaged: Counter[EscalationId] = Counter()
        self._open_scripts = 0
        super().__init__(loop, drawn or night(random), random)

    async def run(self) -> None:
        """Play it. Raises `Broken`."""
        for need in self.night.needs:
            self._open_scripts += 1
            self.spawn(self._script(need))
        if self.random.random() < 0.1:
            self.spawn(self._swap())
        while self.broken is None and self.loop.now_s < self.night.lasts_s:
            await asyncio.sleep(_LOOK_S)
            up = self.engine is not None and self.pager is not None
            if up and not self._open_scripts and self.oracle.is_over:
                break
        self.loop.kill_after([])
        await asyncio.sleep(_LOOK_S)
        while self.engine is None or self.pager is None:
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(_LOOK_S)
        self.oracle.now_s = self.loop.now_s
        if self.broken is None:
            self.oracle.close()
        if self.broken is not None:
            raise self.broken

    # ------------------------------------------------------------ what needs somebody

    async def _script(self, need: Need) -> None:
        stands = True
        for moment_s in need.moments_s:
            await asyncio.sleep(max(0.0, moment_s - self.loop.now_s))
            await self._change(need, stands)
            stands = not stands
            # Nothing comes back within the microsecond in which it went.
            await asyncio.sleep(0.001)
        self._open_scripts -= 1

    async def _change(self, need: Need, stands: bool) -> None:
        request: Any
        if need.kind == "trouble":
            at_us = self.wall_us()
            request = (
                TroubleFound(at_us=at_us, trouble=need.key.removeprefix("trouble:"), detail="it is bad")
                if stands
                else TroubleGone(at_us=at_us, trouble=need.key.removeprefix("trouble:"), by="engine")
            )
        elif stands:
            request = RaiseEscalation(
                key=need.key,
                group=need.group,
                kind=need.kind,
                severity=need.severity,
                summary=f"{need.key} needs somebody",
                by="agent",
                ladder=need.ladder,
            )
        else:
            request = ClearEscalation(key=need.key, by="monitor")
        if need.kind != "trouble" and not stands:
            # From here on it may be cleared, answered or not.
            self.oracle.now_s = self.loop.now_s
            self.oracle.need(need, stands=False, told=True)
        while True:
            try:
                if need.kind != "trouble" and stands:
                    self.oracle.now_s = self.loop.now_s
                    self.oracle.need(need, stands=True, told=True)
                await self.ask(request)
            except Unreachable:
                await asyncio.sleep(1.0)
            else:
                return

    async def _swap(self) -> None:
        """Somebody takes over the duty for a while."""
        await asyncio.sleep(self.random.random() * 200)
        from_us = self.engine.waking.now_us() if self.engine is not None else BASE_US
        by, to = self.random.sample(PEOPLE, 2)
        request = ChangeOnCall(
            schedule="primary", person=to, from_us=from_us, until_us=from_us + 10 * MINUTE_US, by=by
        )
        try:
            await self.ask(request)
        except (Unreachable, InputError):
            return

    # ------------------------------------------------------------ people

    def woken(self, provider: Provider, message: Message) -> None:
        """A page is there: whoever wakes does something about it."""
        person, name = message.person, message.escalation_id
        ways = self.night.ways[person]
        self._pages[person, name] += 1
        awake = not ways.sleeps and self._pages[person, name] >= ways.rings
        if awake or ways.voicemail:
            provider.answered(message)
        if awake and (person, name) not in self._busy:
            self._busy.add((person, name))
            self.spawn(self._answer(person, name, provider.name, message.purpose == "again"))

    async def _answer(self, person: PersonId, name: EscalationId, via: str, again: bool) -> None:
        random, ways = self.random, self.night.ways[person]
        await asyncio.sleep(random.random() * ways.slow_s)
        self._busy.discard((person, name))
        self._engaged[name] += 1
        (word,) = random.choices(list(_WORDS), list(_WORDS.values()))
        if again and random.random() < 0.3:
            return
        if again or self._engaged[name] > 3:
            word = random.choice(("acknowledge", "resolve", "resolve"))
        await self._say(person, name, word, via)
        if random.random() < 0.15:
            await asyncio.sleep(random.choice((0.0, 1.0)))
            await self._say(person, name, word, via)
        if word in {"acknowledge", "take"} and random.random() < 0.7:
            await asyncio.sleep(random.random() * 240)
            await self._say(person, name, "resolve", via)

    async def _say(self, person: PersonId, name: EscalationId, word: Any, via: str) -> None:
        request: AnswerEscalation | HandEscalation
        if word == "hand":
            others = [other for other in PEOPLE if other != person]
            request = HandEscalation(
                escalation=name, to=self.random.choice(others), by=person, role="captain", via=via
            )
        else:
            for_us = self.random.randint(30, 300) * SECOND_US if word == "snooze" else None
            request = AnswerEscalation(
                escalation=name, word=word, by=person, role="captain", via=via, for_us=for_us
            )
        self.oracle.said.add((name, person, word))
        self.oracle.counts[f"said {word}"] += 1
        for _ in range(3):
            try:
                await self.ask(request)
            except Unreachable:
                await asyncio.sleep(4.0)
            except InputError:
                return
            else:
                return


def play(seed: str, loop: VirtualLoop) -> Played:
    """Play the night of a seed. Raises `Broken` with the seed and all that happened."""
    asyncio.set_event_loop(loop)
    loop.restart()
    world: Play | None = None

    async def begin() -> None:
        nonlocal world
        world = Play(loop, seed)
        try:
            await world.run()
        finally:
            await world.close()

    try:
        loop.run_until_complete(begin())
    except Broken as broken:
        story = "\n".join(_story(world)) if world is not None else ""
        raise Broken(f"seed {seed}: Broken: {broken}\n{story}") from None
    assert world is not None
    counts = world.oracle.counts
    counts["virtual seconds"] = round(loop.now_s)
    of: dict[str, list[EscalationFact]] = {}
    for _, fact in world.oracle.story:
        if isinstance(fact, EscalationFact):
            of.setdefault(fact.escalation_id, []).append(fact)
    return Played(counts, tuple(_story(world)), tuple(map(tuple, of.values())), world.store.head().hash)


def _story(world: Play) -> list[str]:
    return [f"{at_s:9.3f}  {fact}" for at_s, fact in world.oracle.story]
