"""Acting: what a rule makes of an event, asked of the engine under a key, so that it counts once."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from msgspec import UNSET, Struct

from bot.events.reading import Event, fits, scalar_at
from engine.core.plain_text import shortened
from engine.core.vocabulary.facts import MetricObserved
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EpisodeId, ProposalId
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.provenance import Trust
from engine.errors import ChainBroken, InputError, JournalBusy, JournalError
from engine.runtime import wire
from engine.runtime import wire_escalations as waking
from engine.runtime.wire_messages import Message
from engine.settings.events import FromEvent, PageSection, ProposeSection, RuleSection

_PLACE: Final = re.compile(r"\{(/[^{}]+)\}")
_SUMMARY: Final = 200
_ABOUT: Final = 80
_VALUE: Final = 120
_MOST_MEASURED: Final = 1e140
"""As `MetricObserved` has it: the engine would not even read what is beyond."""
_Answer = TypeVar("_Answer")
_log = logging.getLogger("watchkeeper.events")
Request = wire.Propose | wire.Tell | waking.RaiseEscalation | waking.ClearEscalation


class Engine(Protocol):
    """Whom it is asked of: `EngineClient`."""

    async def get(self, kind: type[_Answer], request: Any) -> _Answer:
        """Ask, and return an answer of this kind. Raises as the engine refuses, and `Unreachable`."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What one rule wants of the engine."""

    rule: str
    what: str
    """page, resolve, propose or measure."""
    request: Request


def wanted(
    source: str, trust: Trust, rules: Sequence[RuleSection], event: Event, now_us: int
) -> list[Wanted]:
    """Say what all rules that fit want. What a rule cannot make of the event wakes somebody instead."""
    found: list[Wanted] = []
    for rule in rules:
        if rule.source != source or not fits(event, rule.type, rule.where):
            continue
        for part in (_page, _resolve, _propose, _measure):
            try:
                found += part(rule, event, trust, rules, now_us)
            except InputError as wrong:
                found.append(_unreadable(rule, part.__name__.strip("_"), event, wrong))
    return found


def _unreadable(rule: RuleSection, part: str, event: Event, wrong: InputError) -> Wanted:
    section = PageSection(severity="warning", summary=f"{rule.source} tells less than rule {rule.name} needs")
    why = f"{part}, of {event.type or 'an event'} {shortened(event.event_id, _ABOUT)}: {wrong}"
    key = f"event:{rule.source}:{rule.name}:unreadable"
    request = page(section, agent_of(rule.source), key, section.summary, (shortened(why, _SUMMARY),))
    return Wanted(rule=rule.name, what="unreadable", request=request)


def _page(
    rule: RuleSection, event: Event, _trust: Trust, _rules: Sequence[RuleSection], _now_us: int
) -> list[Wanted]:
    if rule.page is None:
        return []
    key, summary = page_key(rule.source, rule, event), text(rule.page.summary, event)
    return [Wanted(rule=rule.name, what="page", request=page(rule.page, agent_of(rule.source), key, summary))]


def _resolve(
    rule: RuleSection, event: Event, _trust: Trust, rules: Sequence[RuleSection], _now_us: int
) -> list[Wanted]:
    if rule.resolves is None:
        return []
    ended = next(each for each in rules if each.name == rule.resolves)
    clear = waking.ClearEscalation(
        key=page_key(rule.source, ended, event),
        by=agent_of(rule.source),
        detail=f"{rule.name}: the source says so",
    )
    return [Wanted(rule=rule.name, what="resolve", request=clear)]


def _propose(
    rule: RuleSection, event: Event, trust: Trust, _rules: Sequence[RuleSection], _now_us: int
) -> list[Wanted]:
    section = rule.propose
    if section is None:
        return []
    told_id = shortened(event.event_id, _ABOUT)
    why = f"{rule.source} told {event.type or 'an event'} {told_id}; rule {rule.name}"
    args = {name: _value(given, event) for name, given in section.args.items()}
    told = [args[name] for name, given in section.args.items() if isinstance(given, FromEvent)]
    request = propose(
        section, agent_of(rule.source), _own(rule, event), args, told=told, trust=trust, why=why
    )
    return [Wanted(rule=rule.name, what="propose", request=request)]


def _measure(
    rule: RuleSection, event: Event, _trust: Trust, _rules: Sequence[RuleSection], now_us: int
) -> list[Wanted]:
    if rule.measure is None:
        return []
    at = rule.measure.value.at
    value = scalar_at(event.body, at)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("no number stands there", place=at, cure="point to a number")
    if not -_MOST_MEASURED <= value <= _MOST_MEASURED:
        raise InputError(
            f"no series takes a number beyond {_MOST_MEASURED:g}",
            place=at,
            cure="point to another number, or have the source send it in a greater unit",
        )
    return [
        Wanted(
            rule=rule.name,
            what="measure",
            request=measure(rule.measure.series, value, _own(rule, event), now_us),
        )
    ]


def _own(rule: RuleSection, event: Event) -> str:
    return f"{rule.source}:{rule.name}:{event.event_id}"


async def act(engine: Engine, all_wanted: Sequence[Wanted]) -> list[str]:
    """Ask the engine all of it, one after the other. Returns the ids of decisions. Raises as it is refused.

    Said again after a failure half-way, what was taken already is taken for the same.
    """
    decisions: list[str] = []
    for each in all_wanted:
        try:
            if isinstance(each.request, wire.Propose):
                decided = await engine.get(wire.Decided, each.request)
                decisions.append(str(decided.verdict.decision_id))
            elif isinstance(each.request, wire.Tell):
                await engine.get(wire.Done, each.request)
            else:
                await engine.get(waking.EscalationAnswer, each.request)
        except JournalError as taken:
            if isinstance(taken, ChainBroken | JournalBusy):
                raise
            # The event came before, and the rule was changed since: what it led to then stands.
            _log.warning("rule %s made something else of this event before: %s", each.rule, taken)
    return decisions


# ---------------------------------------------------------------- requests


def agent_of(source: str) -> str:
    """Return the agent that proposes and pages for a source."""
    return f"agent:{agent_name(source)}"


def agent_name(source: str) -> str:
    """Return its bare name."""
    return f"events-{source}"


def page_key(source: str, rule: RuleSection, event: Event) -> str:
    """Return what a page is known by: the rule, and what it is about."""
    about = rule.page.about if rule.page is not None else None
    thing = text(about, event) if about else ""
    return f"event:{source}:{rule.name}:{digest(thing)}"


def page(
    section: PageSection, by: str, key: str, summary: str, evidence: tuple[str, ...] = ()
) -> waking.RaiseEscalation:
    """Make what wakes somebody."""
    return waking.RaiseEscalation(
        key=key,
        kind="alert",
        severity=section.severity,
        about=f"event:{key.split(':')[2]}",
        summary=shortened(summary, _SUMMARY),
        evidence=evidence,
        by=by,
    )


def propose(
    section: ProposeSection,
    by: str,
    own: str,
    args: dict[str, Any],
    *,
    told: Sequence[Any] = (),
    trust: Trust = "trusted",
    why: str,
) -> wire.Propose:
    """Make a proposal; `told` is what of its arguments came from outside, which is its context."""
    name = by.partition(":")[2]
    proposal = Proposal(
        proposal_id=ProposalId(f"{name}:{digest(own)}"),
        agent=AgentId(name),
        capability=CapabilityId(section.capability),
        action=ActionName(section.action),
        args=args,
        episode=EpisodeId(f"event-{digest(own)}"),
        impact=Impact(cost_usd=section.cost_usd, files=section.files, api_calls=section.api_calls),
        confidence=section.confidence,
        rationale=why,
        owner=UNSET,
    )
    context = [
        Message(source="tool", text=str(each), tool=name, trust=trust) for each in told if str(each).strip()
    ]
    return wire.Propose(proposal=proposal, context=tuple(context))


def measure(series: str, value: float, own: str, now_us: int) -> wire.Tell:
    """Make a point of a series."""
    fact = MetricObserved(at_us=now_us, series=series, value=float(value))
    return wire.Tell(key=f"event:{digest(own)}", fact=fact)


def text(template: str, event: Event) -> str:
    """Fill a text in. Raises `InputError` for a pointer that leads nowhere."""
    return _PLACE.sub(lambda found: shortened(str(scalar_at(event.body, found[1])), _VALUE), template)


def _value(given: Any, event: Event) -> Any:
    return scalar_at(event.body, given.at) if isinstance(given, FromEvent) else given


def digest(own: str) -> str:
    """Return what stands for a name, whatever is in it."""
    return hashlib.blake2b(own.encode(errors="surrogatepass"), digest_size=12).hexdigest()
