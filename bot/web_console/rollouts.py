"""Rollouts: how far each capability has come, on what evidence, and what its next step asks for."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from math import log
from time import monotonic
from typing import Any, Final

from fastapi import APIRouter
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.problems import Problem
from bot.http_api.rollouts import Capability
from bot.web_console.console import Console, View
from bot.web_console.evidence_picture import NAMES, picture
from bot.web_console.guarding import Visitor
from engine.adapters.machine_time import now_us
from engine.commands import catalogue as c
from engine.commands import steering
from engine.core.statistics.intervals import Interval
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import CapabilityId, CapabilityName, capability_name
from engine.core.vocabulary.rollouts import (
    ORDER,
    SHARES,
    Arm,
    ArmTally,
    Evidence,
    Requirement,
    Stage,
)
from engine.core.work.rollout.evidence import number_text
from engine.core.work.rollout.showing import RolloutShown
from engine.errors import InputError, Unreachable, WatchkeeperError
from engine.ports import DecisionsReader
from engine.runtime import wire
from simulator.course import Course, Courses, CourseShown, Spent, stages_of

_AT_ONCE: Final = 500
"""Records read before others may have their turn: some hundredths of a second."""
_LOOK_S: Final = 0.1
"""How long a page may be kept waiting for what was not read yet; it tells how much is left."""
_ENGINE_S: Final = 1.0
_LADDER: Final = ORDER[1:]
_LARGE: Final = 10_000.0


class Rung(Struct, frozen=True):
    """One stage of the ladder."""

    name: str
    state: str
    """`passed`, `here`, `ahead` or `fell`: where it was when it was rolled back."""
    at_us: int | None = None
    by: str = ""


class Asked(Struct, frozen=True):
    """One thing a step asks for, or a limit."""

    name: str
    measured: str
    needed: str
    met: bool
    broken: bool
    """Whether it is a limit that was passed, rather than something that is missing."""
    share: float | None
    """How far it is, 0 to 1; `None` where that says nothing."""


class ArmShown(Struct, frozen=True):
    """One arm in this stage."""

    name: str
    version: str
    tally: ArmTally
    missing: int
    interval: str
    spent: Spent


class Reading:
    """Keeps the courses of rollouts up with the journal, as long as somebody looks at them."""

    def __init__(self, console: Console) -> None:
        """Begin with nothing read: nobody looks yet."""
        self._console, self.courses = console, Courses()
        self._task: asyncio.Task[None] | None = None

    async def of(self, name: CapabilityName) -> CourseShown:
        """Return what the journal says of one capability, as far as it was read; the rest is read behind."""

        def look(journal: DecisionsReader) -> CourseShown:
            until_s = monotonic() + _LOOK_S
            while self._once(journal) and monotonic() < until_s:
                pass
            return self.courses.shown(journal, name, now_us())

        shown = await self._console.tools.look(look)
        self._go_on(shown.behind)
        return shown

    async def all(self) -> tuple[RolloutShown, ...]:
        """Return how all stand by the journal, as far as it was read."""
        self._go_on(await self._console.tools.look(self._once))
        return self.courses.all(now_us())

    def _once(self, journal: DecisionsReader) -> int:
        return self.courses.read(journal, _AT_ONCE)

    def _go_on(self, behind: int) -> None:
        if behind and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._read_on())

    async def _read_on(self) -> None:
        # Whoever looks next is told what is wrong with the journal; a console that ends is no error.
        with contextlib.suppress(WatchkeeperError, RuntimeError):
            behind = 1
            while behind:
                behind = await self._console.tools.look(self._once)


def routes(console: Console) -> APIRouter:
    """Make the routes."""
    router, reading = APIRouter(), Reading(console)

    @router.get("/rollouts")
    async def several(request: Request, visitor: Visitor) -> Response:
        async def gather() -> Mapping[str, Any]:
            return await _several(console, reading)

        return await console.page(request, visitor, View("rollouts.html.j2", "Rollouts", gather))

    @router.get("/rollouts/{capability}")
    async def one(request: Request, visitor: Visitor, capability: Capability) -> Response:
        name = capability_name(CapabilityId(capability))

        async def gather() -> Mapping[str, Any]:
            return await _one(console, reading, name)

        return await console.page(request, visitor, View("rollout.html.j2", name, gather))

    return router


async def _several(console: Console, reading: Reading) -> Mapping[str, Any]:
    found = await _from_engine(console, None)
    away = found is None
    if found is None:
        found = await reading.all()
    rows = [(each, ladder(each, None), stage_text(each), _climbs(each)) for each in found]
    return {"rows": rows, "away": away}


async def _from_engine(console: Console, name: CapabilityName | None) -> tuple[RolloutShown, ...] | None:
    """Return how rollouts stand by the engine; `None` while it does not answer."""
    try:
        asked = wire.GetRollouts(capability=name)
        found = await console.tools.ask(asked, wire.RolloutList, timeout_s=_ENGINE_S)
    except Unreachable:
        return None
    except InputError as unknown:
        raise Problem(
            "not-found", unknown.message, place=unknown.place or "", cure=unknown.cure or ""
        ) from None
    return found.rollouts


async def _one(console: Console, reading: Reading, name: CapabilityName) -> Mapping[str, Any]:
    # One after the other: a name that nobody knows is not worth a look into the journal.
    found = await _from_engine(console, name)
    read = await reading.of(name)
    shown = found[0] if found else read.standing
    if shown is None:
        raise Problem(
            "not-found",
            f"the journal says nothing of a rollout of {name}"
            + (f" yet: {read.behind:,} records are still to be read" if read.behind else ""),
            place=name,
            cure="look again in a moment" if read.behind else "see all rollouts",
        )
    course = read.course if read.course is not None and read.course.capability == shown.candidate else None
    drawn = picture(course, alpha=read.alpha, guardrails=read.guardrails) if course is not None else None
    evidence = shown.evidence or _ended_on(shown, read.steps)
    missing = [_asked(each) for each in evidence.requirements] if evidence is not None else []
    in_shadow = shown if shown.stage == "shadow" else course.shadow if course is not None else None
    return {
        "shown": shown,
        "away": found is None,
        "behind": read.behind,
        "ladder": ladder(shown, course),
        "stage": stage_text(shown),
        "next": NAMES[shown.next_stage],
        "picture": drawn,
        "course": course,
        "asked": missing,
        "limits": [_asked(each) for each in read.against],
        "arms": _arms(shown, evidence, course),
        "in_shadow": in_shadow,
        "steps": [(seq, fact.at_us, *steering.told(fact)) for seq, fact in read.steps],
        "climbs": _climbs(shown),
        "names": NAMES,
        "lines": {
            "promote": f"canary promote {shown.candidate}",
            "pause": f"canary pause {name}",
            "abort": f"canary abort {name}",
        },
        "held": [
            (reason, by, c.CanaryResume(capability=name, reason=reason).line())
            for reason, by in shown.paused.items()
        ],
    }


def stage_text(shown: RolloutShown) -> str:
    """Say where a capability stands."""
    if shown.candidate is None:
        return "live" if shown.live is not None else "people do the work"
    return NAMES[shown.stage] + (" of episodes" if shown.stage in SHARES else "")


def ladder(shown: RolloutShown, course: Course | None) -> list[Rung]:
    """Return the stages from replayed to live, and where a version stands among them."""
    marks = stages_of(course.marks) if course is not None else {}
    stage: Stage = shown.stage if shown.candidate is not None else "live" if shown.live else "unproven"
    fell = stage == "rolled_back"
    if fell:
        reached = [each for each in _LADDER if each in marks]
        stage = reached[-1] if reached else "unproven"
    at = ORDER.index(stage)
    rungs = []
    for each in _LADDER:
        place = ORDER.index(each)
        state = "passed" if place < at else "ahead" if place > at else "fell" if fell else "here"
        mark = marks.get(each)
        rungs.append(
            Rung(NAMES[each], state, mark.at_us if mark is not None else None, mark.by if mark else "")
        )
    return rungs


def _asked(requirement: Requirement) -> Asked:
    return Asked(
        requirement.name,
        _number(requirement.measured),
        _number(requirement.needed),
        requirement.met,
        not requirement.met and _is_over(requirement),
        _share(requirement),
    )


def _is_over(requirement: Requirement) -> bool:
    measured, needed = requirement.measured, requirement.needed
    return isinstance(measured, str) or isinstance(needed, str) or measured >= needed


def _number(value: float | str) -> str:
    """Write one side of a requirement; a large one in full.

    >>> _number(2e6), _number(0.15678)
    ('2,000,000', '0.1568')
    """
    return f"{value:,.0f}" if isinstance(value, float) and value >= _LARGE else number_text(value)


def _share(requirement: Requirement) -> float | None:
    """Say how far something is: counts evenly, e-values by their powers.

    >>> _share(Requirement("episodes", 50, 200, met=False))
    0.25
    >>> round(_share(Requirement("evidence", 4.472136, 20.0, met=False)), 3)
    0.5
    """
    measured, needed = requirement.measured, requirement.needed
    if isinstance(measured, str) or isinstance(needed, str) or needed <= 0:
        return None
    if isinstance(measured, int) and isinstance(needed, int):
        return min(1.0, max(0.0, measured / needed))
    if needed <= 1:
        return None
    return min(1.0, max(0.0, log(measured) / log(needed))) if measured > 0 else 0.0


def _climbs(shown: RolloutShown) -> bool:
    return shown.candidate is not None and shown.stage not in {"live", "rolled_back", "unproven"}


def _ended_on(shown: RolloutShown, steps: Iterable[tuple[int, f.Fact]]) -> Evidence | None:
    """Return the evidence on which a version was rolled back; `None` where none was."""
    changed = (each for _, each in steps if isinstance(each, f.StageChanged))
    last = next((each for each in changed if each.capability == shown.candidate), None)
    return last.evidence if last is not None and last.now == "rolled_back" else None


def _arms(shown: RolloutShown, seen: Evidence | None, course: Course | None) -> list[ArmShown]:
    if seen is None or shown.candidate is None or not (seen.canary.episodes or seen.control.episodes):
        return []
    rates, spent = shown.rates, course.spent if course is not None else {}
    sides: tuple[tuple[str, Arm, str, ArmTally, int, Interval | None], ...] = (
        (
            "Candidate",
            "canary",
            shown.candidate,
            seen.canary,
            seen.canary_missing,
            rates.canary if rates is not None else None,
        ),
        (
            "Incumbent",
            "control",
            shown.live if shown.live not in {None, shown.candidate} else "people",
            seen.control,
            seen.control_missing,
            rates.control if rates is not None else None,
        ),
    )
    return [
        ArmShown(name, version or "people", tally, missing, _interval(interval), spent.get(arm, Spent()))
        for name, arm, version, tally, missing, interval in sides
    ]


def _interval(found: Interval | None) -> str:
    if found is None or found.estimate is None:
        return ""
    return f"{found.low:.1%} to {found.high if found.high is not None else 1:.1%}"
