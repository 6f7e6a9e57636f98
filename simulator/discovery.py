"""Discovery: what an agent touched, by a recording of it, so that a policy can be suggested.

Nothing is judged here. Files, commands and hosts are found by what the registry says an argument is.
"""

import posixpath
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct, field

from engine.core.gates.risk import RiskSettings
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.facts import OutcomeReported, ProposalReceived
from engine.core.vocabulary.ids import ActionName, AgentId, ProposalId
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.units import HOUR_US, MINUTE_US
from simulator.recording import Label, Recording

MOST_NAMES: Final = 20_000
"""Different files, commands and hosts that are told apart; beyond that they are counted together."""
REST: Final = "…"
_ADDRESS: Final = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Use(Struct):
    """How often something was used, and what came of it."""

    count: int = 0
    failed: int = 0
    turned_down: int = 0
    """How often people said no, where the recording tells."""
    first_us: int | None = None
    last_us: int | None = None
    """When it was used first and last; `None` where it was not."""

    def seen(self, at_us: int) -> None:
        """Count one more use."""
        self.count += 1
        self.first_us = at_us if self.first_us is None else min(at_us, self.first_us)
        self.last_us = at_us if self.last_us is None else max(at_us, self.last_us)


class Deeds(Struct, kw_only=True):
    """What one agent did."""

    actions: dict[ActionName, Use] = field(default_factory=dict)
    read: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    """Files, by their whole path."""
    commands: dict[str, Use] = field(default_factory=dict)
    hosts: Counter[str] = field(default_factory=Counter)
    most_calls: int = 0
    """API calls within one minute, at most."""
    most_files: int = 0
    """Files changed within one hour, at most."""
    most_cost_usd: Decimal = Decimal(0)
    """US dollars within one hour, at most, as they were estimated beforehand."""


def discover(recording: Recording, actions: Mapping[ActionName, Action]) -> dict[AgentId, Deeds]:
    """Look through a recording once; memory grows by some hundred bytes with each call.

    `actions` says what an argument is: a path, a command, a URL. Raises `RecordingError`.
    """
    found: dict[AgentId, Deeds] = {}
    bad = {label.proposal_id for label in recording.labels() if isinstance(label, Label) and label.unsafe}
    uses: dict[ProposalId, list[Use]] = {}
    calls: defaultdict[AgentId, _Window] = defaultdict(lambda: _Window(MINUTE_US))
    files: defaultdict[AgentId, _Window] = defaultdict(lambda: _Window(HOUR_US))
    costs: defaultdict[AgentId, _Window] = defaultdict(lambda: _Window(HOUR_US))
    for _, fact in recording.facts():
        if isinstance(fact, ProposalReceived):
            asked = fact.proposal
            deeds = found.setdefault(asked.agent, Deeds())
            touched = _take(deeds, asked, actions.get(asked.action))
            for use in touched:
                use.seen(fact.at_us)
                use.turned_down += asked.proposal_id in bad
            uses[asked.proposal_id] = touched
            most = calls[asked.agent].add(fact.at_us, asked.impact.api_calls)
            deeds.most_calls = max(deeds.most_calls, int(most))
            most = files[asked.agent].add(fact.at_us, asked.impact.files)
            deeds.most_files = max(deeds.most_files, int(most))
            spent = costs[asked.agent].add(fact.at_us, asked.impact.cost_usd)
            deeds.most_cost_usd = max(deeds.most_cost_usd, spent)
        elif isinstance(fact, OutcomeReported) and not fact.ok:
            for use in uses.pop(fact.proposal_id, ()):
                use.failed += 1
    return found


def folders(files: Mapping[str, int], *, most: int) -> list[tuple[str, int, int]]:
    """Put files together until at most so many folders are left: `(folder, files, uses)`, the busiest first.

    >>> folders({"src/a.py": 3, "src/b/c.py": 1, "README.md": 1}, most=2)
    [('src', 2, 4), ('README.md', 1, 1)]
    """
    depth = max((path.count("/") for path in files), default=0) + 1
    while True:
        counts: dict[str, tuple[int, int]] = {}
        for path, uses in files.items():
            name = "/".join(path.split("/")[:depth])
            before = counts.get(name, (0, 0))
            counts[name] = before[0] + 1, before[1] + uses
        if len(counts) <= most or depth == 1:
            break
        depth -= 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1][1], item[0]))
    return [(name, count, uses) for name, (count, uses) in ordered[:most]]


def protected(files: Mapping[str, int], risk: RiskSettings) -> list[tuple[str, str, int]]:
    """Return what lies in protected places: `(file, why it is protected, uses)`, the most used first."""
    found = [
        (path, risk.protected[place].why, uses)
        for path, uses in files.items()
        for place in risk.protected_paths.found_in(path)[:1]
    ]
    return sorted(found, key=lambda item: (-item[2], item[0]))


class _Window:
    """A sum over the last span of time."""

    def __init__(self, span_us: int) -> None:
        self._span_us, self._sum = span_us, Decimal(0)
        self._held: deque[tuple[int, Decimal]] = deque()

    def add(self, at_us: int, amount: Decimal | int) -> Decimal:
        amount = Decimal(amount)
        self._held.append((at_us, amount))
        self._sum += amount
        while self._held[0][0] <= at_us - self._span_us:
            self._sum -= self._held.popleft()[1]
        return self._sum


def _take(deeds: Deeds, asked: Proposal, action: Action | None) -> list[Use]:
    touched = [deeds.actions.setdefault(asked.action, Use())]
    parameters = action.parameters if action is not None else {}
    into = deeds.read if action is not None and action.kind == "read" else deeds.written
    for name, value in asked.args.items():
        known = parameters.get(name)
        kind = (known.items if known.type == "list" else known.type) if known is not None else None
        for text in _texts(value):
            if kind == "path":
                _count(into, posixpath.normpath(text))
            elif kind == "command":
                touched.append(_named(deeds.commands, text))
            elif kind == "url" or _ADDRESS.match(text):
                _count(deeds.hosts, _host(text))
    return touched


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, str))


def _count(into: Counter[str], name: str) -> None:
    into[name if name in into or len(into) < MOST_NAMES else REST] += 1


def _named(into: dict[str, Use], name: str) -> Use:
    return into.setdefault(name if name in into or len(into) < MOST_NAMES else REST, Use())


def _host(text: str) -> str:
    try:
        return urlsplit(text).hostname or REST
    except ValueError:
        return REST
