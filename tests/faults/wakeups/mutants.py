"""Mutants: keepers and pagers that leave somebody asleep, or wake them for nothing. All must be noticed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from msgspec import structs

from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationEnded,
    EscalationPostponed,
    NotificationReported,
)
from engine.core.work.escalations import climbing, folding
from engine.runtime import sendings, waking
from engine.runtime.escalation_words import EscalationWords
from engine.runtime.sendings import Sendings
from engine.runtime.waking import Waking
from notifiers.pager import Pager


def _begin_without_timers(self: Waking, *given: Any, real: Any = Waking.__init__, **named: Any) -> None:
    real(self, *given, **named)
    self._touched.clear()


def _begin_without_retries(self: Waking, *given: Any, real: Any = Waking.__init__, **named: Any) -> None:
    real(self, *given, **named)
    for escalation in self.state.by_id.values():
        for name, sending in escalation.sendings.items():
            escalation.sendings[name] = structs.replace(sending, retry_us=None)


def _answered_is_acknowledged(
    escalations: Any, escalation: Any, fact: NotificationReported, *, real: Any = folding._report
) -> None:
    real(escalations, escalation, fact)
    if fact.delivery == "answered" and escalation.stage == "ringing":
        person = escalation.sendings[fact.notification_id].notification.person
        folding._hold(escalation, person, folding.again_us(escalation, fact.at_us), "acknowledged")


def _delivered_is_believed(
    escalations: Any, escalation: Any, fact: NotificationReported, *, real: Any = folding._report
) -> None:
    real(escalations, escalation, fact)
    if fact.delivery == "delivered" and escalation.stage == "ringing":
        escalation.next_us = None


def _unsure_is_dropped(*given: Any, real: Any = climbing.retry_us) -> int | None:
    return None if given[1] == "unsure" else real(*given)


def _broken_is_not_tried_again(*given: Any, real: Any = climbing.retry_us) -> int | None:
    return None if given[1] in {"broken", "busy"} else real(*given)


def _wrong_numbers_again(*given: Any, real: Any = climbing.retry_us) -> int | None:
    return given[3] + 2_000_000 if given[1] == "address" else real(*given)


def _only_sure(self: Sendings, holding: Any, *, real: Any = Sendings._open) -> list[Any]:
    return [each for each in real(self, holding) if not each.unsure]


def _quiet_is_dropped(asked: Any, *, real: Any = climbing._climb) -> Any:
    fact = real(asked)
    if not isinstance(fact, EscalationPostponed):
        return fact
    return EscalationEnded(
        at_us=fact.at_us,
        escalation_id=fact.escalation_id,
        how="exhausted",
        by="engine",
        detail="nobody answered",
        failsafe=asked.escalation.ladder.failsafe,
    )


async def _for_all(self: EscalationWords, request: Any, *, real: Any = EscalationWords.answer) -> Any:
    said = await real(self, request)
    if request.word == "acknowledge":
        for name, known in list(self._waking.state.by_id.items()):
            if known.stage == "ringing":
                now_us = self._waking.now_us()
                await self._waking.take(
                    [
                        EscalationAcknowledged(
                            at_us=now_us, escalation_id=name, by=request.by, role="captain", via="call"
                        )
                    ]
                )
    return said


def _into_the_first(escalations: Any, *given: Any, real: Any = waking.place) -> Any:
    found = real(escalations, *given)
    return found if found is not None else next(iter(escalations.by_id), None)


def _each_for_itself(_escalations: Any, *_given: Any) -> None:
    return None


def _last_rung_left_out(asked: Any, *, real: Any = climbing._climb) -> Any:
    rungs = asked.escalation.ladder.rungs
    if len(rungs) > 1:
        ladder = structs.replace(asked.escalation.ladder, rungs=rungs[:-1])
        asked.escalation.ladder = ladder
    return real(asked)


def _no_repeats(asked: Any, *, real: Any = climbing._climb) -> Any:
    rungs = tuple(structs.replace(rung, repeat=0) for rung in asked.escalation.ladder.rungs)
    asked.escalation.ladder = structs.replace(asked.escalation.ladder, rungs=rungs)
    return real(asked)


def _handed_and_forgotten(escalations: Any, escalation: Any, fact: Any, *, real: Any = folding._hand) -> None:
    real(escalations, escalation, fact)
    escalation.next_us = None


def _passed_to_nobody(escalations: Any, escalation: Any, fact: Any, *, real: Any = folding._pass) -> None:
    real(escalations, escalation, fact)
    escalation.next_us = None


def _back_and_silent(escalations: Any, escalation: Any, fact: Any, *, real: Any = folding._join) -> None:
    was = escalation.stage
    real(escalations, escalation, fact)
    if was == "cleared":
        escalation.next_us = None


def _asked_for_ever(escalations: Any, escalation: Any, fact: Any, *, real: Any = folding._ask) -> None:
    real(escalations, escalation, fact)
    if escalation.stage == "asked":
        escalation.next_us = None


async def _stops_nothing(self: Waking, known: Any) -> None:
    """Nobody came, and all goes on."""


def _never_looks(self: Waking, records: Any) -> None:
    """What was journaled is not looked at."""


async def _sent_twice(
    self: Pager, channel: Any, message: Any, *, unsure: bool, real: Any = Pager._sent
) -> Any:
    await real(self, channel, message, unsure=unsure)
    return await real(self, channel, message, unsure=unsure)


async def _says_nothing_of_failures(self: Pager, given: Any, *, real: Any = Pager._send) -> None:
    report = await self.send(given)
    if report.failure is None:
        await self._report(report)


def _fold(kind: str, by: Any) -> tuple[tuple[Any, str, Any], ...]:
    """Replace how one kind of fact is folded."""
    name = next(each for each in folding._FOLDS if each.__name__ == kind)
    return ((folding, "_FOLDS", folding._FOLDS | {name: by}),)


def _due(by: Any) -> tuple[tuple[Any, str, Any], ...]:
    """Replace how a ladder is climbed."""
    return ((climbing, "_BY_STAGE", climbing._BY_STAGE | {"ringing": by}),)


MUTANTS: dict[str, tuple[tuple[Any, str, Any], ...]] = {
    "forgets timers in a restart": ((Waking, "__init__", _begin_without_timers),),
    "forgets tries in a restart": ((Waking, "__init__", _begin_without_retries),),
    "takes answered for acknowledged": _fold("NotificationReported", _answered_is_acknowledged),
    "believes delivered": _fold("NotificationReported", _delivered_is_believed),
    "drops what is unsure": ((sendings, "retry_us", _unsure_is_dropped),),
    "tries nothing again": ((sendings, "retry_us", _broken_is_not_tried_again),),
    "tries wrong numbers again": ((sendings, "retry_us", _wrong_numbers_again),),
    "leaves unsent what may have been sent": ((Sendings, "_open", _only_sure),),
    "drops what quiet hours kept back": _due(_quiet_is_dropped),
    "acknowledges for all": ((EscalationWords, "answer", _for_all),),
    "puts all into one": ((waking, "place", _into_the_first),),
    "wakes for each of an incident": ((waking, "place", _each_for_itself),),
    "rings on": ((folding, "_hush", lambda _escalation: None),),
    "leaves out the last rung": _due(_last_rung_left_out),
    "repeats nothing": _due(_no_repeats),
    "hands over and forgets": _fold("EscalationHanded", _handed_and_forgotten),
    "passes to nobody": _fold("EscalationPassed", _passed_to_nobody),
    "stays silent when it comes back": _fold("EscalationJoined", _back_and_silent),
    "waits for ever whom it asked": _fold("NotificationsRequested", _asked_for_ever),
    "does not hurry on": ((folding, "_hurry", lambda _escalation, _at_us: None),),
    "stops nothing when nobody came": ((Waking, "_stop_all", _stops_nothing),),
    "looks seldom at what needs somebody": ((Waking, "look", _never_looks),),
    "sends twice": ((Pager, "_sent", _sent_twice),),
    "hides failures": ((Pager, "_send", _says_nothing_of_failures),),
}
"""What each replaces."""


@contextlib.contextmanager
def mutated(name: str) -> Iterator[None]:
    """Work with a mutant until the block ends."""
    with contextlib.ExitStack() as stack:
        for owner, what, by in MUTANTS[name]:
            stack.enter_context(patch.object(owner, what, by))
        yield
