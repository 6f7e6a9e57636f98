"""A script: what people, agents, workers and the world do, one thing a line.

    people ada captain, bob responder
    coder-1 wants cache.clear service=web confidence=0.5 as D1
    bob: /approve D1
    bob presses Deny on D1 and writes not tonight
    ada presses Resume
    ada twice: /snapshot
    coder-2 votes for D1 because the tests pass
    agent-4 vetoes D1 because it smells
    D2 took the place of D1
    coder-1 answers about D1: the pages are stale
    coder-3 chooses D2, D1 because it is quicker
    coder-3 chooses nothing beside D1
    worker does D1
    engine leaves
    engine comes back
    engine comes back, counting by borda
    engine comes back, waking people
    front restarts
    replays stand still          the front restarts on a machine that has no time for replays
    replays go on                it restarts on one that has, and those asked for come to their end
    25h pass
    board

A name in capitals stands for the decision it was given to, `E1` for the first thing that somebody was woken
for, and `CODE` for the one-time code that whoever speaks would read in their app. What is done `twice` is
delivered twice by the platform. What begins with `#` is for readers.
"""

import re
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from engine.core.vocabulary.people_facts import RANKS, Role
from engine.core.vocabulary.units import HOUR_US, MINUTE_US
from engine.core.vocabulary.voting import Choice
from engine.errors import InputError


class Step(Struct, frozen=True, kw_only=True, tag=True):
    """One line of a script."""

    line: str


class People(Step, frozen=True, kw_only=True):
    """Who takes part, each linked on the platform the script is played on, but for strangers."""

    roles: dict[str, Role | None]


class Wants(Step, frozen=True, kw_only=True):
    """An agent proposes."""

    agent: str
    action: str
    args: dict[str, Any]
    given: dict[str, Any]
    """What else the proposal says: confidence, episode, capability, rationale, cost_usd, files, owner."""
    name: str


class Says(Step, frozen=True, kw_only=True):
    """Somebody types."""

    who: str
    text: str
    copies: int = 1


class Presses(Step, frozen=True, kw_only=True):
    """Somebody presses a button: of a decision's message, or else of the last answer they got."""

    who: str
    label: str
    on: str
    writes: str
    copies: int = 1


class Votes(Step, frozen=True, kw_only=True):
    """An agent votes on what waits for votes."""

    agent: str
    choice: Choice
    name: str
    rationale: str


class Overrules(Step, frozen=True, kw_only=True):
    """An agent vetoes a decision, or tries to allow it."""

    agent: str
    word: Literal["veto", "allow"]
    name: str
    reason: str


class Answers(Step, frozen=True, kw_only=True):
    """An agent answers the last question that people asked it about a decision."""

    agent: str
    name: str
    text: str


class Replaced(Step, frozen=True, kw_only=True):
    """What a person made of a decision gets a name."""

    name: str
    of: str


class Ballots(Step, frozen=True, kw_only=True):
    """An agent votes among decisions that want the same."""

    agent: str
    names: tuple[str, ...]
    """The best first; none abstains."""
    about: str
    rationale: str


class Works(Step, frozen=True, kw_only=True):
    """A worker does what is allowed."""

    how: Literal["does", "fails", "begins"]
    name: str


class Happens(Step, frozen=True, kw_only=True):
    """Something happens to the machine."""

    what: Literal[
        "engine leaves",
        "engine comes back",
        "engine comes back, counting by borda",
        "engine comes back, waking people",
        "front restarts",
        "replays stand still",
        "replays go on",
        "board",
    ]


class Passes(Step, frozen=True, kw_only=True):
    """Time passes."""

    us: int


_WANTS: Final = re.compile(
    r"(?P<agent>[a-z][\w.-]*) wants (?P<action>[\w.]+)(?P<rest>.*?) as (?P<name>[A-Z]\w*)"
)
_PRESSES: Final = re.compile(
    r"(?P<who>[a-z]+) presses(?P<twice> twice)? (?P<label>.+?)(?: on (?P<on>[A-Z]\w*))?"
    r"(?: and writes (?P<writes>.+))?"
)
_VOTES: Final = re.compile(
    r"(?P<agent>[a-z][\w.-]*) (?:votes (?P<choice>for|against)|(?P<abstains>abstains) on) (?P<name>[A-Z]\w*)"
    r"(?: because (?P<rationale>.+))?"
)
_REPLACED: Final = re.compile(r"(?P<name>[A-Z]\w*) took the place of (?P<of>[A-Z]\w*)")
_ANSWERS: Final = re.compile(r"(?P<agent>[a-z][\w.-]*) answers about (?P<name>[A-Z]\w*): (?P<text>.+)")
_OVERRULES: Final = re.compile(
    r"(?P<agent>[a-z][\w.-]*) (?P<word>vetoes|allows) (?P<name>[A-Z]\w*) because (?P<reason>.+)"
)
_BALLOTS: Final = re.compile(
    r"(?P<agent>[a-z][\w.-]*) chooses "
    r"(?:(?P<names>[A-Z]\w*(?:, [A-Z]\w*)*)|nothing beside (?P<none>[A-Z]\w*))"
    r"(?: because (?P<rationale>.+))?"
)
_SAYS: Final = re.compile(r"(?P<who>[a-z]+)(?P<twice> twice)?: (?P<text>.+)")
_WORKS: Final = re.compile(r"worker (?P<how>does|fails|begins) (?P<name>[A-Z]\w*)")
_PASSES: Final = re.compile(r"(?P<many>\d+)(?P<unit>h|min) pass")
_VALUE: Final = re.compile(r'(?P<key>[a-z_]+)=(?P<value>"[^"]*"|\S+)')
_ABOUT: Final = frozenset(
    {"confidence", "episode", "capability", "rationale", "cost_usd", "files", "api_calls", "owner"}
)
_HAPPENS: Final = frozenset(
    {
        "engine leaves",
        "engine comes back",
        "engine comes back, counting by borda",
        "engine comes back, waking people",
        "front restarts",
        "replays stand still",
        "replays go on",
        "board",
    }
)
_UNITS: Final = {"h": HOUR_US, "min": MINUTE_US}


def read_script(path: Path) -> list[Step]:
    """Read a script. Raises `InputError` naming the line that is none."""
    steps = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                steps.append(read_step(text))
            except ValueError as wrong:
                raise InputError(
                    f"line {number} is no step: {wrong}",
                    place=str(path),
                    cure="simulator/scenario/script.py shows all",
                ) from None
    return steps


def read_step(text: str) -> Step:  # noqa: C901, PLR0911 - one answer for each kind of line
    """Read one line. Raises `ValueError`."""
    if text in _HAPPENS:
        return Happens(line=text, what=text)  # type: ignore[arg-type]  # one of them
    if text.startswith("people "):
        return _people(text)
    if (found := _WANTS.fullmatch(text)) is not None:
        return _wants(text, found)
    if (found := _VOTES.fullmatch(text)) is not None:
        return Votes(
            line=text,
            agent=found["agent"],
            choice=found["choice"] or "abstain",  # type: ignore[arg-type]  # one of them
            name=found["name"],
            rationale=found["rationale"] or "",
        )
    if (found := _OVERRULES.fullmatch(text)) is not None:
        word: Literal["veto", "allow"] = "veto" if found["word"] == "vetoes" else "allow"
        return Overrules(
            line=text, agent=found["agent"], word=word, name=found["name"], reason=found["reason"]
        )
    if (found := _ANSWERS.fullmatch(text)) is not None:
        return Answers(line=text, agent=found["agent"], name=found["name"], text=found["text"])
    if (found := _REPLACED.fullmatch(text)) is not None:
        return Replaced(line=text, name=found["name"], of=found["of"])
    if (found := _BALLOTS.fullmatch(text)) is not None:
        names = tuple(found["names"].split(", ")) if found["names"] else ()
        return Ballots(
            line=text,
            agent=found["agent"],
            names=names,
            about=names[0] if names else found["none"],
            rationale=found["rationale"] or "",
        )
    if (found := _WORKS.fullmatch(text)) is not None:
        return Works(line=text, how=found["how"], name=found["name"])  # type: ignore[arg-type]  # one of them
    if (found := _PASSES.fullmatch(text)) is not None:
        return Passes(line=text, us=int(found["many"]) * _UNITS[found["unit"]])
    if (found := _PRESSES.fullmatch(text)) is not None:
        return Presses(
            line=text,
            who=found["who"],
            label=found["label"],
            on=found["on"] or "",
            writes=found["writes"] or "",
            copies=2 if found["twice"] else 1,
        )
    if (found := _SAYS.fullmatch(text)) is not None:
        return Says(line=text, who=found["who"], text=found["text"], copies=2 if found["twice"] else 1)
    raise ValueError(text)


def _people(text: str) -> People:
    roles: dict[str, Role | None] = {}
    for each in text.removeprefix("people ").split(", "):
        name, _, role = each.partition(" ")
        if role not in RANKS and role != "stranger":
            raise ValueError(f"{role!r} is no role")
        roles[name] = next((known for known in RANKS if known == role), None)
    return People(line=text, roles=roles)


def _wants(text: str, found: "re.Match[str]") -> Wants:
    args: dict[str, Any] = {}
    given: dict[str, Any] = {}
    for one in _VALUE.finditer(found["rest"]):
        value = one["value"].strip('"')
        (given if one["key"] in _ABOUT else args)[one["key"]] = value
    return Wants(
        line=text, agent=found["agent"], action=found["action"], args=args, given=given, name=found["name"]
    )
