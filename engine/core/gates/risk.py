"""Risk: how bad a mistake would be, as a level, a score, and the parts that sum to it.

The score adds up what makes a mistake worse: what the action is declared to do, that it cannot be undone,
where it acts, what its text and paths match, and how much of the blast radius it would use. Level thresholds
turn the score into a level, and a table turns the level into a ruling.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from engine.core.shell import ShellSettings, part_of, seen_in
from engine.core.vocabulary.actions import Action, BlastCaps, RiskLevel
from engine.core.vocabulary.arguments import plain_path, strings_in
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.shell import NOTHING, ShellSeen
from engine.core.vocabulary.verdicts import (
    RULING_RANK,
    Answer,
    Check,
    Risk,
    RiskFound,
    RiskPart,
    Ruling,
    Wait,
)

GATE = "risk"
TOP_SCORE = 100
_RULES = {level: f"risk.rulings.{level.value}" for level in RiskLevel}


@runtime_checkable
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
    unsandboxed_points: int
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
    shell: ShellSettings | None = None
    """`None` where the policy has nothing to say of commands."""


Traces = tuple[tuple[int, ...], tuple[int, ...], ShellSeen]
"""What was found in a proposal's arguments: positions of destructive patterns and of protected paths, and
what its commands would do."""


def traces(settings: RiskSettings, action: Action | None, args: dict[str, Any], texts: list[str]) -> Traces:
    """Search arguments; `texts` are those among them."""
    seen = NOTHING if settings.shell is None else seen_in(settings.shell, action, args)
    # However a command is spelled, patterns look at what it will run as well.
    searched = [*texts, seen.spelled] if seen.spelled else texts
    hits = settings.destructive_text.found_in("\n".join(searched)) if texts else ()
    touched: set[int] = set()
    for path in paths_in(action, args, texts) if settings.protected else ():
        touched.update(settings.protected_paths.found_in(path))
    return hits, tuple(sorted(touched)) if touched else (), seen


def assess(
    settings: RiskSettings,
    action: Action | None,
    proposal: Proposal,
    texts: list[str],
    found: Traces | None = None,
) -> RiskFound:
    """Score one proposal; `texts` are those among its arguments, `found` their traces if they are known.

    A MEDIUM write (35 points) without an undo (5) in production (10), using half of its blast radius
    (10 of 20), scores 60: HIGH with the shipped thresholds.
    """
    writes = action is None or action.kind == "write"
    hits, touched, seen = found or traces(settings, action, proposal.args, texts)
    return _found(
        settings,
        "" if action is None else action.name,
        None if action is None else action.risk,
        writes,
        writes and action is not None and action.undo is None,
        in_production(settings, proposal.environment),
        hits,
        touched,
        _impact_points(settings, action, proposal.impact) if writes else 0,
        action is not None and action.unsandboxed,
        seen,
    )


def in_production(settings: RiskSettings, environment: str) -> bool:
    """Whether an environment is one of the policy's production environments, however an agent spells it."""
    return environment.strip().casefold() in settings.production


# Proposals differ in their texts; what is found in them seldom does.
@lru_cache(maxsize=4096)
def _found(  # noqa: PLR0917 - the cache looks answers up by these, and keywords would make that slower
    settings: RiskSettings,
    name: str,
    risk: RiskLevel | None,
    writes: bool,  # noqa: FBT001 - as above
    irreversible: bool,  # noqa: FBT001 - as above
    production: bool,  # noqa: FBT001 - as above
    hits: tuple[int, ...],
    touched: tuple[int, ...],
    impact_points: int,
    unsandboxed: bool,  # noqa: FBT001 - as above
    seen: ShellSeen,
) -> RiskFound:
    """Add up what was found. A `risk` of `None` means that the action is not in the registry."""
    parts: list[RiskPart] = []
    if risk is None:
        parts.append(RiskPart("unknown", settings.unknown_points, "the action is not in the registry"))
    else:
        points = settings.declared_points[risk]
        parts.append(RiskPart("declared", points, f"the registry calls {name} {risk.value}"))
    if irreversible:
        parts.append(RiskPart("irreversible", settings.irreversible_points, "it cannot be undone"))
    if unsandboxed:
        parts.append(RiskPart("unsandboxed", settings.unsandboxed_points, "it runs outside any sandbox"))
    if production and writes:
        parts.append(
            RiskPart("production", settings.production_points, "it acts on a production environment")
        )
    for hit in hits:
        pattern = settings.destructive[hit]
        parts.append(RiskPart(f"destructive.{pattern.id}", pattern.points, pattern.why))
    # Where a pattern knows the command it has its points from there.
    if not hits and (commanded := part_of(settings.shell, seen)) is not None:
        parts.append(commanded)
    for place in touched:
        guarded = settings.protected[place]
        # Reading a protected file leaks it, writing it breaks things: both count, one in full.
        points = guarded.points if writes else guarded.points // 2
        parts.append(RiskPart(f"protected.{guarded.id}", points, guarded.why))
    parts.append(RiskPart("impact", impact_points, "its share of the blast radius"))
    counted = tuple([part for part in parts if part.points])
    score = min(TOP_SCORE, sum([part.points for part in counted]))
    level = next(level for threshold, level in settings.thresholds if score >= threshold)
    return RiskFound(
        Risk(level=level, score=score, parts=counted),
        destructive=bool(hits) or seen.kind == "destructive",
        protected=bool(touched),
        in_production=production,
        shell=seen,
    )


# Of one policy's risks there are as many as there are ways to add up to them: few.
@lru_cache(maxsize=4096)
def judge(settings: RiskSettings, risk: Risk, seen: ShellSeen = NOTHING) -> Answer:
    """Turn the level into a ruling by the policy's table; what a command would do may ask for a stricter
    one.
    """
    ruling, rule, role, owner = (
        settings.rulings[risk.level],
        _RULES[risk.level],
        settings.role,
        settings.owner,
    )
    checks: tuple[Check, ...] = (Check("risk_score", risk.score, _tolerated(settings)),)
    # Without any part (a policy may refuse even what is SAFE) the level itself is the reason.
    heaviest = max(risk.parts, key=lambda part: part.points, default=None)
    because = f", most of all because {heaviest.why}" if heaviest is not None else ""
    reason = f"the risk is {risk.level.value} ({risk.score} of {TOP_SCORE}){because}"
    if settings.shell is not None and seen.word != "none":
        checks += (Check("shell", seen.word, None),)
        wanted = settings.shell.rulings.get(seen.word, "allow")
        if RULING_RANK[wanted] > RULING_RANK[ruling]:
            ruling, rule = wanted, f"shell.rulings.{seen.word}"
            role, owner = settings.shell.role, settings.shell.owner
            reason = f"the command is not known to be harmless: {seen.reason}"
        elif wanted != "allow" and any(
            part.why == seen.reason for part in risk.parts if part is not heaviest
        ):
            reason += f"; and of the command nobody knows that it is harmless: {seen.reason}"
    if ruling == "allow":
        return Answer(gate=GATE, ruling=ruling, rule=rule, owner=owner, checks=checks)
    return Answer(
        gate=GATE,
        ruling=ruling,
        reason=reason,
        rule=rule,
        owner=owner,
        checks=checks,
        waits=() if ruling == "deny" else (Wait(kind="person", role=role),),
    )


@lru_cache(maxsize=64)
def _tolerated(settings: RiskSettings) -> int:
    """Return the highest score that is allowed."""
    strict = [score for score, level in settings.thresholds if settings.rulings[level] != "allow"]
    return min(strict, default=TOP_SCORE + 1) - 1


def paths_in(action: Action | None, args: dict[str, Any], texts: list[str]) -> list[str]:
    """Return the path arguments, made plain: `a/./b//../c` is `/a/c/`, so no detour hides a place.

    Of an action that is not in the registry every text counts as a path.
    """
    if action is not None:
        texts = []
        for name, parameter in action.parameters.items():
            if (parameter.type == "path" or parameter.items == "path") and name in args:
                value = args[name]
                texts += [value] if isinstance(value, str) else strings_in(value)
    # From a working folder nobody told us, `../../etc` may reach the root, and `.ssh` may be the folder
    # itself.
    return [plain_path("/" + text) + "/" for text in texts] if texts else []


def _impact_points(settings: RiskSettings, action: Action | None, impact: Impact) -> int:
    caps = action.blast if action is not None and action.blast is not None else settings.caps
    # Whole hundredths keep the arithmetic exact, so the score is the same on every machine.
    percent = max(
        _percent(impact.files, caps.files) if impact.files else 0,
        _percent(impact.api_calls, caps.api_calls) if impact.api_calls else 0,
        _percent(impact.cost_usd, caps.cost_usd) if impact.cost_usd else 0,
    )
    return settings.impact_points * percent // 100


def _percent(used: Decimal | int, cap: Decimal | int) -> int:
    return 100 if used >= cap else int(used * 100 // cap)
