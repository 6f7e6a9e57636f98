"""Calibrations: what came of decisions, held against the confidence they were proposed with.

In state only while policy asks for it (`calibration` in thresholds.yaml). A capability, and each rule that
fired, has its own last decisions. How far to trust a confidence is worked out when an outcome or a rating
comes in, so that a proposal only looks it up.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import UNSET, Struct, UnsetType, field

from engine.core.statistics.calibration import BINS, Curve, bin_of, levels, measure
from engine.core.vocabulary.facts import CalibrationSettings, DecisionRated, OutcomeReported
from engine.core.vocabulary.ids import CapabilityId, DecisionId, decision_id
from engine.core.vocabulary.units import DAY_US
from engine.core.vocabulary.verdicts import Verdict

WAITED_US: Final = 7 * DAY_US
"""How long an outcome is waited for. What comes later can still be rated."""
_NOTHING: Final = (None,) * BINS


class Asked(Struct, frozen=True, array_like=True):
    """A decision whose outcome is not known yet: `[at_us, keys, confidence]`."""

    at_us: int
    keys: tuple[str, ...]
    confidence: float


class Tried(Struct, frozen=True, array_like=True):
    """A decision of which it is known whether it was right: `[decision_id, bin, right, rated]`."""

    decision_id: DecisionId
    bin: int
    right: bool
    rated: bool
    """Whether a person said so. No outcome overrules that."""


class Series(Struct):
    """The last decisions of one capability or rule."""

    tried: list[Tried] = []
    """The oldest first."""
    right: int = 0
    """How many of them were right."""
    levels: tuple[float | None, ...] = _NOTHING
    """How far to trust a confidence, for each tenth; `None` where too little is known."""


class Calibrations(Struct):
    """Everything known of how confidences turned out."""

    settings: CalibrationSettings | None = None
    """`None` while policy does not ask: then nothing is counted."""
    asked: dict[DecisionId, Asked] = field(default_factory=OrderedDict)
    """The longest ago first."""
    by_key: dict[str, Series] = {}


class Trusted(Struct, frozen=True, kw_only=True):
    """How far the confidence of one proposal is to be trusted."""

    key: str
    """Whose past says so: `capability:heal@2`, `rule:protected`."""
    level: float
    right: int
    count: int
    """How many of its last decisions were right, of how many."""


def keys_of(capability: CapabilityId, rule: str) -> tuple[str, ...]:
    """Return what a decision counts for: its capability, and the rule that fired if one did.

    >>> keys_of(CapabilityId("heal@2"), "protected"), keys_of(CapabilityId("heal@2"), "")
    (('capability:heal@2', 'rule:protected'), ('capability:heal@2',))
    """
    own = f"capability:{capability}"
    return (own, f"rule:{rule}") if rule else (own,)


def adopt(calibrations: Calibrations, settings: CalibrationSettings | UnsetType) -> None:
    """Go by these settings from now on. Where there are none everything is forgotten."""
    if settings is UNSET:
        calibrations.settings, calibrations.asked, calibrations.by_key = None, OrderedDict(), {}
        return
    calibrations.settings = settings
    for series in calibrations.by_key.values():
        _weigh(series, settings)


def fold_verdict(calibrations: Calibrations, verdict: Verdict) -> None:
    """Remember what was claimed, until it is known what came of it."""
    asked = calibrations.asked
    while asked:
        first = next(iter(asked))
        if asked[first].at_us + WAITED_US > verdict.at_us:
            break
        del asked[first]
    claimed = verdict.claimed
    if claimed is UNSET or calibrations.settings is None:
        return
    keys = keys_of(verdict.capability, claimed.rule)
    asked[verdict.decision_id] = Asked(verdict.at_us, keys, claimed.confidence)


def fold_outcome(calibrations: Calibrations, fact: OutcomeReported) -> None:
    """Count what came of a decision that ran. What others did instead says nothing of its confidence."""
    if calibrations.settings is None or fact.by != "executor":
        return
    decision = decision_id(fact.proposal_id)
    asked = calibrations.asked.pop(decision, None)
    if asked is None:
        return
    tried = Tried(decision, bin_of(asked.confidence), fact.ok, rated=False)
    for key in asked.keys:
        _count(calibrations, key, tried)


def fold_rated(calibrations: Calibrations, fact: DecisionRated) -> None:
    """Count a person's word, in the place of what was known before. `late` says nothing of the confidence."""
    if calibrations.settings is None or fact.confidence is None or fact.rating == "late":
        return
    tried = Tried(fact.decision_id, bin_of(fact.confidence), fact.rating == "useful", rated=True)
    for key in keys_of(fact.capability, fact.rule):
        _count(calibrations, key, tried)


def _count(calibrations: Calibrations, key: str, tried: Tried) -> None:
    settings = calibrations.settings
    if settings is None:
        return
    series = calibrations.by_key.setdefault(key, Series())
    for place, known in enumerate(series.tried):
        if known.decision_id == tried.decision_id:
            if not known.rated or tried.rated:
                series.tried[place] = tried
            break
    else:
        series.tried.append(tried)
    _weigh(series, settings)


def _weigh(series: Series, settings: CalibrationSettings) -> None:
    del series.tried[: -settings.decisions]
    counts = [[0, 0] for _ in range(BINS)]
    for tried in series.tried:
        counts[tried.bin][0] += tried.right
        counts[tried.bin][1] += 1
    pairs = [(right, count) for right, count in counts]
    series.right = sum(right for right, _ in pairs)
    series.levels = levels(pairs, least=settings.least, margin=settings.margin)


def put_in_order(calibrations: Calibrations) -> None:
    """Put what waits for its outcome into the order of its time, as folding has it.

    What was asked in the same moment is forgotten together, so its order makes no difference.
    """
    ordered = sorted(calibrations.asked.items(), key=lambda item: item[1].at_us)
    calibrations.asked = OrderedDict(ordered)


def trusted(
    calibrations: Calibrations, capability: CapabilityId, rule: str, confidence: float | None
) -> Trusted | None:
    """Say how far a confidence is to be trusted; `None` where nothing or too little is known.

    Where capability and rule both have a past, the one that trusts less speaks.
    """
    if confidence is None or not calibrations.by_key:
        return None
    place, found = bin_of(confidence), None
    for key in keys_of(capability, rule):
        series = calibrations.by_key.get(key)
        level = series.levels[place] if series is not None else None
        if series is None or level is None or (found is not None and found.level <= level):
            continue
        found = Trusted(key=key, level=level, right=series.right, count=len(series.tried))
    return found


# ---------------------------------------------------------------- to be looked at, in force or not


class Judged(Struct, frozen=True, kw_only=True):
    """One decision of which it is known whether it was right."""

    decision_id: DecisionId
    keys: tuple[str, ...]
    confidence: float
    right: bool
    rated: bool


class Calibration(Struct, frozen=True, kw_only=True):
    """How the confidences of one capability or rule turned out."""

    key: str
    """`capability:heal@2`, `rule:protected`."""
    curve: Curve
    rated: int
    """Of how many a person said so; of the others the outcome did."""


def judged(
    outcomes: Iterable[OutcomeReported],
    ratings: Iterable[DecisionRated],
    verdict_of: Callable[[DecisionId], Verdict | None],
) -> list[Judged]:
    """Hold outcomes and ratings, each in the order of the journal, against what was claimed.

    A person's last word goes before the outcome. What did not run, and what bore no confidence, is left out.
    """
    found: dict[DecisionId, Judged] = {}
    for outcome in outcomes:
        decision = decision_id(outcome.proposal_id)
        verdict = verdict_of(decision) if outcome.by == "executor" and decision not in found else None
        if verdict is None or verdict.shadowed or verdict.assessment.confidence is None:
            continue
        found[decision] = Judged(
            decision_id=decision,
            keys=keys_of(verdict.capability, fired(verdict)),
            confidence=verdict.assessment.confidence,
            right=outcome.ok,
            rated=False,
        )
    for rating in ratings:
        if rating.confidence is None or rating.rating == "late":
            continue
        found[rating.decision_id] = Judged(
            decision_id=rating.decision_id,
            keys=keys_of(rating.capability, rating.rule),
            confidence=rating.confidence,
            right=rating.rating == "useful",
            rated=True,
        )
    return list(found.values())


def fired(verdict: Verdict) -> str:
    """Return the rule of policy that fired on a decision; empty when none did."""
    said = [answer.rule for answer in verdict.assessment.answers if answer.gate == _RULES]
    return said[0] if said and said[0] != _RULES else ""


_RULES: Final = "rules"
"""The gate of rules, and what it calls its rule where none fired."""


def calibrations_of(known: Iterable[Judged]) -> list[Calibration]:
    """Measure every capability and every rule by itself, in the order of their names."""
    by_key: dict[str, list[Judged]] = {}
    for each in known:
        for key in each.keys:
            by_key.setdefault(key, []).append(each)
    return [
        Calibration(
            key=key,
            curve=measure((each.confidence, each.right) for each in those),
            rated=sum(each.rated for each in those),
        )
        for key, those in sorted(by_key.items())
    ]
