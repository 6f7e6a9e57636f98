"""Risk: how bad a mistake would be, as a level, a score, and the parts that sum to it.

The score adds up what makes a mistake worse: what the action is declared to do, that it cannot be undone, where
it acts, what its text and paths match, and how much of the blast radius it would use. Level thresholds turn the
score into a level, and a table turns the level into a ruling.
"""

from decimal import Decimal
from typing import Any, Protocol

from msgspec import Struct

from engine.core.vocabulary.actions import Action, BlastCaps, RiskLevel
from engine.core.vocabulary.arguments import plain_path, strings_in
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.verdicts import Answer, Check, Risk, RiskFound, RiskPart, Ruling, Wait

GATE = "risk"
TOP_SCORE = 100


class Patterns(Protocol):
    """Several expressions looked for at once, in time linear in the text."""

    def found_in(self, text: str) -> tuple[int, ...]:
        """Return the positions of the expressions that match, in order."""


class Pattern(Struct, frozen=True, kw_only=True):
    """One destructive text pattern or protected path."""

    id: str
    points: int
    why: str


class RiskSettings(Struct, frozen=True, kw_only=True):
    """How parts are weighed and what each level means."""

    declared_points: dict[RiskLevel, int]
    unknown_points: int
    irreversible_points: int
    production_points: int
    production: frozenset[str]
    impact_points: int
    """Points for using a whole blast radius; a part of it counts in proportion."""
    thresholds: tuple[tuple[int, RiskLevel], ...]
    """`(score, level)`, highest first; the first one reached gives the level."""
    rulings: dict[RiskLevel, Ruling]
    destructive: tuple[Pattern, ...]
    destructive_text: Patterns
    protected: tuple[Pattern, ...]
    protected_paths: Patterns
    caps: BlastCaps
    role: str
    owner: str


def assess(settings: RiskSettings, action: Action | None, proposal: Proposal) -> RiskFound:
    """Score one proposal.

    A MEDIUM write (35 points) without an undo (10) in production (10), using half of its blast radius
    (10 of 20), scores 65: HIGH with the shipped thresholds.
    """
    parts: list[RiskPart] = []
    if action is None:
        parts.append(RiskPart("unknown", settings.unknown_points, "the action is not in the registry"))
        writes, levels = True, "any"
    else:
        levels, writes = action.risk, action.kind == "write"
        if points := settings.declared_points[levels]:
            parts.append(RiskPart("declared", points, f"the registry calls {action.name} {levels.value}"))
        if writes and action.undo is None and settings.irreversible_points:
            parts.append(RiskPart("irreversible", settings.irreversible_points, "it cannot be undone"))
    if writes and settings.production_points and proposal.environment in settings.production:
        parts.append(
            RiskPart("production", settings.production_points, f"it acts on {proposal.environment}")
        )
    texts = strings_in(proposal.args)
    hits = settings.destructive_text.found_in("\n".join(texts)) if texts else ()
    for hit in hits:
        pattern = settings.destructive[hit]
        parts.append(RiskPart(f"destructive.{pattern.id}", pattern.points, pattern.why))
    touched: dict[int, str] = {}
    if settings.protected:
        for path in paths_in(action, proposal.args):
            for place in settings.protected_paths.found_in(path):
                touched.setdefault(place, path)
    for place in sorted(touched):
        guarded = settings.protected[place]
        # Reading a protected file leaks it, writing it breaks things: both count, one in full.
        points = guarded.points if writes else guarded.points // 2
        parts.append(RiskPart(f"protected.{guarded.id}", points, guarded.why))
    if writes and (points := _impact_points(settings, action, proposal.impact)):
        parts.append(RiskPart("impact", points, "its share of the blast radius"))
    score = min(TOP_SCORE, sum([part.points for part in parts]))
    level = next(level for threshold, level in settings.thresholds if score >= threshold)
    return RiskFound(
        Risk(level=level, score=score, parts=tuple(parts)), destructive=bool(hits), protected=bool(touched)
    )


def judge(settings: RiskSettings, risk: Risk) -> Answer:
    """Turn the level into a ruling by the policy's table."""
    ruling = settings.rulings[risk.level]
    checks = (Check("risk_score", risk.score, None),)
    if ruling == "allow":
        return Answer(gate=GATE, ruling=ruling, checks=checks)
    heaviest = max(risk.parts, key=lambda part: part.points)
    return Answer(
        gate=GATE,
        ruling=ruling,
        reason=f"the risk is {risk.level.value} ({risk.score} of {TOP_SCORE}), most of all because {heaviest.why}",
        rule=f"risk.rulings.{risk.level.value}",
        owner=settings.owner,
        checks=checks,
        waits=() if ruling == "deny" else (Wait(kind="person", role=settings.role),),
    )


def paths_in(action: Action | None, args: dict[str, Any]) -> list[str]:
    """Return the path arguments, made plain: `a/./b//../c` is `a/c`, so that a detour does not hide a place.

    Of an action that is not in the registry every text counts as a path.
    """
    if action is None:
        texts = strings_in(args)
    else:
        texts = [
            text
            for name, parameter in action.parameters.items()
            if name in args and "path" in (parameter.type, parameter.items)
            for text in strings_in([args[name]])
        ]
    return [plain_path(text) for text in texts]


def _impact_points(settings: RiskSettings, action: Action | None, impact: Impact) -> int:
    caps = action.blast if action is not None and action.blast is not None else settings.caps
    shares = (
        (impact.cost_usd, caps.cost_usd),
        (impact.files, caps.files),
        (impact.api_calls, caps.api_calls),
    )
    # Whole hundredths keep the arithmetic exact, so the score is the same on every machine.
    percent = max(_percent(Decimal(used), Decimal(cap)) for used, cap in shares)
    return settings.impact_points * percent // 100


def _percent(used: Decimal, cap: Decimal) -> int:
    if not used:
        return 0
    return 100 if used >= cap else int(used * 100 / cap)
