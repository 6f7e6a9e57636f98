"""Waking: keeps escalations going. What needs somebody is raised, ladders are climbed, words are taken.

Nothing of it lives here alone. Each turn looks at state and asks the core what is due; what follows is in the
journal before anything else is done about it. After a crash the first turn sees what the last one would have.
"""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any, Final, get_args

from msgspec import UNSET

from engine.core.needs import CLEARED, need_of, standing
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.escalation_facts import (
    EscalationCleared,
    EscalationEnded,
    EscalationFact,
    EscalationJoined,
    EscalationRaised,
)
from engine.core.vocabulary.escalations import (
    Ladder,
    Severity,
    code_of,
    escalation_id,
)
from engine.core.vocabulary.facts import Scope, tag_of
from engine.core.vocabulary.ids import DecisionId, EscalationId, PersonId
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.endings import ENGINE
from engine.core.work.escalations import folding
from engine.core.work.escalations.climbing import due, next_us
from engine.core.work.escalations.grouping import place
from engine.core.work.escalations.roster import Duty
from engine.core.work.escalations.standing import Escalation, Escalations, Need
from engine.errors import WatchkeeperError
from engine.ports import Announcer, Stop
from engine.runtime import wire
from engine.runtime.intake import Intake
from engine.runtime.parts import Ladders

_log = logging.getLogger(__name__)

LADDER: Final = PersonId("ladder")
"""Who sets a stop because nobody answered a whole ladder."""
_PAUSE_S: Final = 1.0
"""How long to wait after a turn that could not be written."""
_LOOK_US: Final = 30 * SECOND_US
"""How often needs are looked at unasked: decisions may end by time alone."""
_FIRST: Final = b'{"fact":"'
_MOVING: Final = frozenset(
    {
        b"hold_ended", b"effect_ended", b"hold_answered", b"vote_closed", b"trouble_found", b"trouble_gone",
        b"stage_changed", b"time_passed", b"notification_reported",
    }
)  # fmt: skip
"""Facts after which something may need somebody that did not before, or no longer."""
_ESCALATED: Final = frozenset(tag_of(kind).encode() for kind in get_args(EscalationFact))
_NAME: Final = b'"escalation_id":"'


class Waking:
    """The escalations of one engine."""

    def __init__(
        self,
        ladders: Ladders,
        intake: Intake,
        now_us: Callable[[], int],
        announcer: Announcer,
        *,
        stops: Callable[[], tuple[Stop, ...]],
        set_stop: Callable[[wire.SetStop], Awaitable[Any]],
        reasons: Callable[[DecisionId], tuple[str, ...]],
    ) -> None:
        """Share the engine's intake and clock. `reasons` says why a decision waits, from its verdict."""
        self.settings, self.roster, self.intake, self.now_us = (
            ladders.settings, ladders.roster, intake, now_us,
        )  # fmt: skip
        self._announcer, self._stops, self._set_stop, self._reasons = announcer, stops, set_stop, reasons
        self.lock = asyncio.Lock()
        """Held by whoever decides on what it sees: nothing changes between the look and the fact."""
        self._dirty = asyncio.Event()
        self._look_at_needs = True
        self._looked_us = 0
        self._touched: set[EscalationId] = set(self.state.by_id)
        self._due: list[tuple[int, EscalationId]] = []
        self._hearing: list[Callable[[Collection[EscalationId]], None]] = []

    def subscribe(self, hear: Callable[[Collection[EscalationId]], None]) -> None:
        """Have it told whenever escalations changed, and which."""
        self._hearing.append(hear)

    @property
    def state(self) -> Escalations:
        """Escalations as the journal has them."""
        return self.intake.state.escalations

    @property
    def duty(self) -> Duty:
        """Who has which duty now."""
        known = self.intake.state.captaincy
        changes = self.state.changes
        if known is UNSET:
            return Duty(changes=changes)
        return Duty(
            captain=known.captain or None,
            deputy=known.deputy or None,
            away=known.away,
            changes=changes,
        )

    # ------------------------------------------------------------ turns

    def look(self, records: Iterable[Record]) -> None:
        """Take notice of what was journaled. Quick: it is called within every commit.

        Only here, for whoever had it journaled may be gone by now.
        """
        changed: dict[EscalationId, None] = {}
        for record in records:
            body = record.body
            tag = body[len(_FIRST) : body.index(b'"', len(_FIRST))]
            if tag == b"verdict_reached":
                # Of all verdicts only few hold, and most of what an engine writes is verdicts.
                self._look_at_needs |= b'"word":"hold"' in body
                continue
            if tag in _ESCALATED:
                start = body.index(_NAME) + len(_NAME)
                changed[EscalationId(body[start : body.index(b'"', start)].decode())] = None
            self._look_at_needs |= tag in _MOVING
        self._changed(changed)

    def restored(self) -> None:
        """Look at everything anew: state was read from the journal again, and may be another."""
        self._look_at_needs = True
        self._changed(self.state.by_id)

    def _changed(self, names: Collection[EscalationId]) -> None:
        self._touched.update(names)
        if self._look_at_needs or self._touched:
            self._dirty.set()
        if names:
            for hear in self._hearing:
                hear(names)

    async def run(self) -> None:
        """Keep escalations going, for ever. End it by cancelling."""
        while True:
            self._dirty.clear()
            try:
                wait_s = await self.turn()
            except WatchkeeperError as failure:
                _log.warning("an escalation could not go on, and is tried again: %s", failure)
                wait_s = _PAUSE_S
                self.restored()
                await asyncio.sleep(_PAUSE_S)
            try:
                async with asyncio.timeout(wait_s):
                    await self._dirty.wait()
            except TimeoutError:
                pass

    async def turn(self) -> float:
        """Do all that is due now, and return how many seconds nothing will be. Raises `StorageError`."""
        async with self.lock:
            now_us = self.now_us()
            if self._look_at_needs or now_us >= self._looked_us + _LOOK_US:
                self._look_at_needs, self._looked_us = False, now_us
                await self._see_needs(now_us)
            await self._climb(now_us)
        upcoming = min([self._looked_us + _LOOK_US, *(at_us for at_us, _ in self._due[:1])])
        return max(0.0, (upcoming - self.now_us()) / SECOND_US)

    async def _see_needs(self, now_us: int) -> None:
        """Raise what needs somebody, and clear what no longer does."""
        stand = dict.fromkeys(standing(self.intake.state, now_us))
        over = [
            self.cleared(name, key, now_us)
            for key, name in self.state.of_key.items()
            if key not in stand and key.partition(":")[0] in CLEARED
        ]
        await self.take(over)
        new = [self._need(key) for key in stand if key not in self.state.of_key]
        await self.take(self.raised([need for need in new if need is not None], now_us))

    def _need(self, key: str) -> tuple[Need, Ladder, Severity] | None:
        """Say what a need is and which ladder it climbs; `None` for what wakes nobody."""
        kind, _, name = key.partition(":")
        need = need_of(self.intake.state, key)
        ladder, severity = self.settings.route(need.kind, need.severity, need.capability, need.action)
        if severity == "info":
            return None
        if kind == "decision":
            # Looked up only now: what wakes nobody is looked at again and again.
            need = need_of(self.intake.state, key, self._reasons(DecisionId(name)))
        return need, ladder, severity

    def raised(self, needs: list[tuple[Need, Ladder, Severity]], now_us: int) -> list[EscalationFact]:
        """Make the facts that raise these needs, or have them join what is open, and ring the first rungs.

        Both are in one commit: between a raised escalation and its first ring there is no moment to die in.
        """
        if not needs:
            return []
        # What is raised here is not in state yet, and the next need may be of the same incident.
        known = Escalations(
            by_id=dict(self.state.by_id), of_key=dict(self.state.of_key), of_group=dict(self.state.of_group)
        )
        codes = {each.code for each in known.by_id.values()}
        facts: list[EscalationFact] = []
        for need, ladder, severity in needs:
            joined = place(known, self.settings, need, ladder, now_us)
            if joined is not None:
                facts.append(_joined(joined, need, severity, now_us))
                known.of_key[need.key] = joined
                continue
            name = escalation_id(need.key, now_us)
            fact = EscalationRaised(
                at_us=now_us,
                escalation_id=name,
                code=code_of(name, frozenset(codes)),
                key=need.key,
                group=need.group,
                kind=need.kind,
                severity=severity,
                about=need.about,
                summary=need.summary,
                evidence=need.evidence,
                deadline_us=need.deadline_us,
                then=need.then,
                by=need.by,
                ladder=ladder,
                ladders_hash=self.settings.hash,
            )
            codes.add(fact.code)
            folding.fold(known, fact)
            facts.append(fact)
            first = due(name, known.by_id[name], self.roster, self.duty, now_us)
            if first is not None:
                facts.append(first)
        return facts

    def cleared(
        self, name: EscalationId, key: str, now_us: int, *, by: str = ENGINE, detail: str = ""
    ) -> EscalationCleared:
        """Make the fact that a need is over. A decision that ended does not come back; all else may."""
        settle_us = 0 if key.startswith("decision:") else self.settings.settle_us
        return EscalationCleared(
            at_us=now_us, escalation_id=name, key=key, by=by, detail=detail, until_us=now_us + settle_us
        )

    async def _climb(self, now_us: int) -> None:
        """Do what is due for every escalation, until nothing is."""
        touched, self._touched = self._touched, set()
        while True:
            for name in touched:
                known = self.state.by_id.get(name)
                if known is not None and (at_us := next_us(known)) is not None:
                    heapq.heappush(self._due, (at_us, name))
            touched = set()
            while self._due and self._due[0][0] <= now_us:
                touched.add(heapq.heappop(self._due)[1])
            facts = []
            for name in touched:
                known = self.state.by_id.get(name)
                if known is None:
                    continue
                fact = due(name, known, self.roster, self.duty, now_us)
                if isinstance(fact, EscalationEnded) and fact.failsafe == "stop":
                    await self._stop_all(known)
                if fact is not None:
                    facts.append(fact)
            if not touched:
                return
            await self.take(facts)
            # What was taken is touched again; what is due at once is done at once.
            touched, self._touched = self._touched | touched, set()

    async def _stop_all(self, known: Escalation) -> None:
        """Stop everything before it is written that nobody came: whoever dies in between stops it again."""
        if all(stop.scope.kind != "all" for stop in self._stops()):
            reason = f"nobody answered {known.ladder.name}: {known.summary}"
            await self._set_stop(wire.SetStop(scope=Scope("all"), by=LADDER, reason=reason))

    # ------------------------------------------------------------ facts

    async def take(self, facts: Iterable[EscalationFact]) -> None:
        """Have facts journaled, all in one commit. Raises `StorageError`; then none of them may count."""
        made: dict[EscalationId, int] = {}
        work = []
        for fact in facts:
            name = fact.escalation_id
            known = self.state.by_id.get(name)
            made[name] = made.get(name, 0) + 1
            nth = made[name] + (known.facts if known is not None else -1)
            work.append(self.intake.take(f"escalation:{name}:{nth}", fact))
            if isinstance(fact, EscalationEnded) and fact.how == "exhausted":
                self._announcer.announce("escalation", f"{name}: {fact.detail}", urgent=True)
        if len(work) == 1:
            # Most often: a task for itself would make a call wait two more turns of the event loop.
            await work[0]
        else:
            await asyncio.gather(*work)


def _joined(name: EscalationId, need: Need, severity: Severity, now_us: int) -> EscalationJoined:
    return EscalationJoined(
        at_us=now_us,
        escalation_id=name,
        key=need.key,
        about=need.about,
        summary=need.summary,
        evidence=need.evidence or UNSET,
        severity=severity,
        deadline_us=need.deadline_us,
        then=need.then or UNSET,
    )
