"""Counting: how often what happened, by few labels, for those who watch from outside.

Counts only rise, so that a look now and then loses nothing. What can be counted is there with 0 before it
happens: of a count that appears with its first event, nobody outside could say that it rose. Names that come
from outside, such as those of agents, are told apart up to a bound; past it they count together as `other`.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import product
from typing import Any, Final, get_args

import msgspec
from msgspec import UNSET, Struct

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import EffectKind, EffectStatus
from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationEnded,
    EscalationHanded,
    EscalationRaised,
    NotificationReported,
    NotificationsRequested,
    RungReached,
)
from engine.core.vocabulary.escalations import (
    Delivery,
    EscalationEnding,
    EscalationKind,
    Failure,
    Notification,
    Severity,
)
from engine.core.vocabulary.ids import capability_name
from engine.core.vocabulary.people_facts import HoldEnding
from engine.core.vocabulary.rollout_facts import StageChanged
from engine.core.vocabulary.rollouts import Stage
from engine.core.vocabulary.units import SECOND_US
from engine.core.vocabulary.verdicts import Word

MOST_NAMES: Final = 100
"""Different names of one kind that are told apart: agents, capabilities, channels."""
OTHER: Final = "other"
"""What all further ones count as."""
MOST_BEGUN: Final = 10_000
"""What has begun and not ended yet, of each kind whose length is measured: the newest."""
BOUNDS_S: Final[dict[str, tuple[float, ...]]] = {
    "hold_wait": (10, 30, 60, 300, 900, 1800, 3600, 14_400),
    "acknowledge": (15, 30, 60, 120, 300, 600, 1800, 3600),
    "effect": (0.1, 0.5, 1, 5, 15, 60, 300, 1800),
}
"""What is measured from its beginning to its end, and the upper ends of its buckets in seconds."""


_BOTH: Final = ("true", "false")
_TAKEN: Final = tuple(delivery for delivery in get_args(Delivery) if delivery != "failed")


class Span(Struct, kw_only=True):
    """How long things of one kind took."""

    buckets: list[int]
    """How many, by the first bound they did not pass; what passed all of them comes last."""
    sum_us: int = 0
    begun: dict[str, int] = {}
    """When what is under way began, by its id."""


class Counts(Struct, kw_only=True):
    """Everything counted so far. Made by `begin` and changed by `fold` alone."""

    totals: dict[str, dict[tuple[str, ...], int]] = {}
    """By the name of the count, then by its labels."""
    dollars: dict[str, Decimal] = {}
    """US dollars, `estimated` of what was allowed and executed, and `reported` of what came of it."""
    spans: dict[str, Span] = {}
    seen_us: dict[str, int] = {}
    """When a person of each role was at the controls last."""
    names: dict[str, list[str]] = {}
    """The names that are told apart, by their kind."""
    channels: dict[str, str] = {}
    """The channel of each notification that was asked for lately, by its id."""
    now_us: int = 0
    """The latest time any fact carried; 0 before the first."""
    snapshot_us: int = 0
    """When journal, configuration and workspace were copied last; 0 when they never were."""
    snapshot_bytes: int = 0


def begin() -> Counts:
    """Begin before the first fact."""
    counts = Counts(spans={name: Span(buckets=[0] * (len(ends) + 1)) for name, ends in BOUNDS_S.items()})
    _expect(counts, "facts", sorted(f.FACT_TYPES))
    _expect(counts, "effects", get_args(EffectKind), get_args(EffectStatus))
    _expect(counts, "holds_ended", get_args(HoldEnding))
    _expect(counts, "escalations", get_args(EscalationKind), get_args(Severity))
    _expect(counts, "escalations_ended", get_args(EscalationEnding))
    counts.dollars = {"estimated": Decimal(0), "reported": Decimal(0)}
    return counts


def saw(counts: Counts, tag: str, at_us: int) -> None:
    """Count a fact of which only its kind and time matter."""
    _add(counts, "facts", tag if tag in f.FACT_TYPES else OTHER)
    counts.now_us = max(counts.now_us, at_us)


def fold(counts: Counts, fact: f.Fact) -> None:
    """Count a fact, in the order of the journal."""
    saw(counts, f.tag_of(fact), fact.at_us)
    take = _FOLDS.get(type(fact))
    if take is not None:
        take(counts, fact)


def _expect(counts: Counts, name: str, *labels: Iterable[str]) -> None:
    """Put in 0 for every combination of labels that was not counted yet."""
    by_labels = counts.totals.setdefault(name, {})
    for each in product(*labels):
        by_labels.setdefault(each, 0)


def _add(counts: Counts, name: str, *labels: str) -> None:
    by_labels = counts.totals.setdefault(name, {})
    by_labels[labels] = by_labels.get(labels, 0) + 1


def _named(counts: Counts, kind: str, name: str) -> str:
    known = counts.names.setdefault(kind, [])
    if name in known:
        return name
    if len(known) >= MOST_NAMES:
        return OTHER
    known.append(name)
    return name


def _began(counts: Counts, span: str, key: str, at_us: int) -> None:
    begun = counts.spans[span].begun
    begun[key] = at_us
    if len(begun) > MOST_BEGUN:
        del begun[next(iter(begun))]


def _ended(counts: Counts, span: str, key: str, at_us: int) -> None:
    since_us = counts.spans[span].begun.pop(key, None)
    if since_us is not None:
        took_us = max(0, at_us - since_us)
        counts.spans[span].buckets[bisect_left(BOUNDS_S[span], took_us / SECOND_US)] += 1
        counts.spans[span].sum_us += took_us


def _spent(counts: Counts, basis: str, usd: Decimal) -> None:
    counts.dollars[basis] = counts.dollars.get(basis, Decimal(0)) + usd


def _decided(counts: Counts, fact: f.VerdictReached) -> None:
    verdict = fact.verdict
    capability = _named(counts, "capability", capability_name(verdict.capability))
    agent = _named(counts, "agent", verdict.agent)
    if (capability, "allow", "true") not in counts.totals.get("decisions", ()):
        _expect(counts, "decisions", (capability,), get_args(Word), _BOTH)
    _add(counts, "decisions", capability, verdict.word, "true" if verdict.shadowed else "false")
    _add(counts, "agent_decisions", agent, verdict.word)
    if verdict.shadowed:
        return
    if verdict.word == "hold":
        _began(counts, "hold_wait", verdict.decision_id, verdict.at_us)
    elif verdict.word == "allow":
        _spent(counts, "estimated", verdict.impact.cost_usd)


def _came_of(counts: Counts, fact: f.OutcomeReported) -> None:
    capability = _named(counts, "capability", capability_name(fact.capability))
    _add(counts, "outcomes", capability, fact.by, "ok" if fact.ok else "failed")
    if fact.cost_usd is not UNSET:
        _spent(counts, "reported", fact.cost_usd)


def _hold_ended(counts: Counts, fact: f.HoldEnded) -> None:
    _add(counts, "holds_ended", fact.how)
    if fact.effect_id is None:
        _ended(counts, "hold_wait", fact.decision_id, fact.at_us)


def _effect_started(counts: Counts, fact: f.EffectStarted) -> None:
    _began(counts, "effect", fact.effect_id, fact.at_us)


def _effect_ended(counts: Counts, fact: f.EffectEnded) -> None:
    _add(counts, "effects", fact.kind, fact.status)
    _ended(counts, "effect", fact.effect_id, fact.at_us)


def _stage_changed(counts: Counts, fact: StageChanged) -> None:
    capability = _named(counts, "capability", capability_name(fact.capability))
    _expect(counts, "stage_changes", (capability,), get_args(Stage))
    _add(counts, "stage_changes", capability, fact.now)


def _raised(counts: Counts, fact: EscalationRaised) -> None:
    _add(counts, "escalations", fact.kind, fact.severity)
    _began(counts, "acknowledge", fact.escalation_id, fact.at_us)


def _acknowledged(counts: Counts, fact: EscalationAcknowledged) -> None:
    _ended(counts, "acknowledge", fact.escalation_id, fact.at_us)


def _escalation_ended(counts: Counts, fact: EscalationEnded) -> None:
    _add(counts, "escalations_ended", fact.how)
    counts.spans["acknowledge"].begun.pop(fact.escalation_id, None)
    _asked_for(counts, fact.notifications)


def _rang(counts: Counts, fact: RungReached | NotificationsRequested | EscalationHanded) -> None:
    _asked_for(counts, fact.notifications)


def _asked_for(counts: Counts, notifications: tuple[Notification, ...]) -> None:
    for each in notifications:
        channel = _named(counts, "channel", each.channel)
        if (channel, "failed", "broken") not in counts.totals.get("notifications", ()):
            _expect(counts, "notifications", (channel,), _TAKEN, ("",))
            _expect(counts, "notifications", (channel,), ("failed",), get_args(Failure))
        counts.channels[each.notification_id] = channel
    while len(counts.channels) > MOST_BEGUN:
        del counts.channels[next(iter(counts.channels))]


def _reported(counts: Counts, fact: NotificationReported) -> None:
    channel = counts.channels.get(fact.notification_id, OTHER)
    _add(counts, "notifications", channel, fact.delivery, "" if fact.kind is UNSET else fact.kind)


def _person_seen(counts: Counts, fact: f.PersonSeen) -> None:
    counts.seen_us[fact.role] = max(fact.at_us, counts.seen_us.get(fact.role, 0))


def _saved(counts: Counts, fact: f.SnapshotSaved) -> None:
    counts.snapshot_us, counts.snapshot_bytes = fact.at_us, fact.size_bytes


def _trouble_found(counts: Counts, fact: f.TroubleFound) -> None:
    _add(counts, "troubles", _named(counts, "trouble", fact.trouble))


def _process_ended(counts: Counts, fact: f.ProcessEnded) -> None:
    _add(counts, "processes_ended", _named(counts, "process", fact.process))


_FOLDS: Final[dict[type[f.Fact], Callable[[Counts, Any], None]]] = {
    f.VerdictReached: _decided,
    f.OutcomeReported: _came_of,
    f.HoldEnded: _hold_ended,
    f.EffectStarted: _effect_started,
    f.EffectEnded: _effect_ended,
    StageChanged: _stage_changed,
    EscalationRaised: _raised,
    EscalationAcknowledged: _acknowledged,
    EscalationEnded: _escalation_ended,
    RungReached: _rang,
    NotificationsRequested: _rang,
    EscalationHanded: _rang,
    NotificationReported: _reported,
    f.PersonSeen: _person_seen,
    f.SnapshotSaved: _saved,
    f.TroubleFound: _trouble_found,
    f.ProcessEnded: _process_ended,
}

COUNTED: Final = frozenset(_FOLDS)
"""Facts that are counted by more than their kind."""


def copied(counts: Counts) -> Counts:
    """Return the figures as they are now, which the next fact leaves alone; without what is under way."""
    return Counts(
        totals={name: dict(by_labels) for name, by_labels in counts.totals.items()},
        dollars=dict(counts.dollars),
        spans={
            name: Span(buckets=list(span.buckets), sum_us=span.sum_us) for name, span in counts.spans.items()
        },
        seen_us=dict(counts.seen_us),
        now_us=counts.now_us,
        snapshot_us=counts.snapshot_us,
        snapshot_bytes=counts.snapshot_bytes,
    )


def encode(counts: Counts) -> bytes:
    """Write counts down, to go on from later."""
    return _ENCODER.encode(counts)


def decode(body: bytes) -> Counts | None:
    """Read counts back; `None` when another version wrote them, with other lengths measured."""
    try:
        counts = _DECODER.decode(body)
    except msgspec.DecodeError:
        return None
    fits = {name: len(span.buckets) - 1 for name, span in counts.spans.items()} == {
        name: len(ends) for name, ends in BOUNDS_S.items()
    }
    return counts if fits else None


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Counts)
