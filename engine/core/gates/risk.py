"""Risk: how bad a mistake would be, as a level, a score, and the parts that sum to it.

The score adds up what makes a mistake worse: what the action is declared to do, that it cannot be undone, where
it acts, what its text and paths match, and how much of the blast radius it would use. Level thresholds turn the
score into a level, and a table turns the level into a ruling.
"""

from decimal import Decimal
from functools import lru_cache
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


class RiskSettings(Struct, frozen=True, kw_only=True, eq=False):
    """How parts are weighed and what each level means. Made once for each policy, so equal only to itself."""

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


def assess(settings: RiskSettings, action: Action | None, proposal: Proposal, texts: list[str]) -> RiskFound:
    """Score one proposal; `texts` are those among its arguments.

    A MEDIUM write (35 points) without an undo (10) in production (10), using half of its blast radius
    (10 of 20), scores 65: HIGH with the shipped thresholds.
    """
    environment = proposal.environment
    if action is None:
        writes = True
        standing, score = _standing(settings, "", None, False, environment)
    else:
        writes = action.kind == "write"
        # Acting in production adds to the risk of a write only.
        standing, score = _standing(
            settings, action.name, action.risk, writes and action.undo is None, environment if writes else ""
        )
    parts = list(standing)
    hits = settings.destructive_text.found_in("\n".join(texts)) if texts else ()
    for hit in hits:
        pattern = settings.destructive[hit]
        parts.append(RiskPart(f"destructive.{pattern.id}", pattern.points, pattern.why))
    touched: dict[int, str] = {}
    if settings.protected:
        for path in paths_in(action, proposal.args, texts):
            for place in settings.protected_paths.found_in(path):
                touched.setdefault(place, path)
    for place in sorted(touched):
        guarded = settings.protected[place]
        # Reading a protected file leaks it, writing it breaks things: both count, one in full.
        points = guarded.points if writes else guarded.points // 2
        parts.append(RiskPart(f"protected.{guarded.id}", points, guarded.why))
    if writes and (points := _impact_points(settings, action, proposal.impact)):
        parts.append(RiskPart("impact", points, "its share of the blast radius"))
    score = min(TOP_SCORE, score + sum([part.points for part in parts[len(standing) :]]))
    for threshold, level in settings.thresholds:
        if score >= threshold:
            break
    return RiskFound(
        Risk(level=level, score=score, parts=tuple(parts)), destructive=bool(hits), protected=bool(touched)
    )


@lru_cache(maxsize=4096)
def _standing(
    settings: RiskSettings, name: str, risk: RiskLevel | None, irreversible: bool, environment: str
) -> tuple[tuple[RiskPart, ...], int]:
    """Return the parts that are the same for every proposal of an action in an environment, and their sum."""
    parts: list[RiskPart] = []
    if risk is None:
        parts.append(RiskPart("unknown", settings.unknown_points, "the action is not in the registry"))
    elif points := settings.declared_points[risk]:
        parts.append(RiskPart("declared", points, f"the registry calls {name} {risk.value}"))
    if irreversible and settings.irreversible_points:
        parts.append(RiskPart("irreversible", settings.irreversible_points, "it cannot be undone"))
    if environment in settings.production and settings.production_points:
        parts.append(RiskPart("production", settings.production_points, f"it acts on {environment}"))
    return tuple(parts), sum(part.points for part in parts)


def judge(settings: RiskSettings, risk: Risk) -> Answer:
    """Turn the level into a ruling by the policy's table."""
    ruling = settings.rulings[risk.level]
    checks = (Check("risk_score", risk.score, None),)
    if ruling == "allow":
        return Answer(gate=GATE, ruling=ruling, checks=checks)
    # Without any part (a policy may refuse even what is SAFE) the level itself is the reason.
    heaviest = max(risk.parts, key=lambda part: part.points, default=None)
    because = f", most of all because {heaviest.why}" if heaviest is not None else ""
    return Answer(
        gate=GATE,
        ruling=ruling,
        reason=f"the risk is {risk.level.value} ({risk.score} of {TOP_SCORE}){because}",
        rule=f"risk.rulings.{risk.level.value}",
        owner=settings.owner,
        checks=checks,
        waits=() if ruling == "deny" else (Wait(kind="person", role=settings.role),),
    )


def paths_in(action: Action | None, args: dict[str, Any], texts: list[str]) -> list[str]:
    """Return the path arguments, made plain: `a/./b//../c` is `/a/c/`, so that a detour does not hide a place.

    Of an action that is not in the registry every text counts as a path.
    """
    if action is not None:
        texts = [
            text
            for name, parameter in action.parameters.items()
            if (parameter.type == "path" or parameter.items == "path") and name in args
            for text in strings_in([args[name]])
        ]
    # From a working folder nobody told us, `../../etc` may reach the root, and `.ssh` may be the folder itself.
    return [plain_path("/" + text) + "/" for text in texts]


def _impact_points(settings: RiskSettings, action: Action | None, impact: Impact) -> int:
    caps = action.blast if action is not None and action.blast is not None else settings.caps
    # Whole hundredths keep the arithmetic exact, so the score is the same on every machine.
    percent = max(
        _percent(impact.cost_usd, caps.cost_usd),
        _percent(impact.files, caps.files),
        _percent(impact.api_calls, caps.api_calls),
    )
    return settings.impact_points * percent // 100


def _percent(used: Decimal | int, cap: Decimal | int) -> int:
    if not used:
        return 0
    return 100 if used >= cap else int(used * 100 // cap)
