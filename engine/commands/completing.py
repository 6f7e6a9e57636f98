"""Completing: what can be offered for an argument while it is typed. Looks only, and never waits long."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from engine.commands.catalogue import LANGUAGE
from engine.commands.tools import Tools
from engine.core.vocabulary.facts import VerdictReached, decode
from engine.core.vocabulary.ids import CapabilityId, capability_name
from engine.errors import WatchkeeperError
from engine.ports import DecisionFilter, DecisionsReader
from engine.runtime import wire

MOST: Final = 25
"""No platform shows more."""
LONGEST: Final = 100
"""Nothing longer is offered: no platform takes it."""
WITHIN_S: Final = 1.0
"""What takes longer is not offered: people type on, and platforms give up after three seconds."""
_LATEST: Final = 50

Candidates = Callable[[Tools], Awaitable[Iterable[str]]]


async def complete(tools: Tools, kind: str, typed: str) -> list[str]:
    """Return what can be offered for an argument's `complete` kind, the likeliest first.

    Empty when there is nothing to offer, and when what would know it does not answer in time.
    """
    candidates = _CANDIDATES.get(kind)
    if candidates is None:
        return []
    try:
        found = await asyncio.wait_for(candidates(tools), WITHIN_S)
    except (TimeoutError, WatchkeeperError):
        return []
    return matching(found, typed)


def matching(candidates: Iterable[str], typed: str) -> list[str]:
    """Pick what fits: what begins so comes before what only has it in it.

    >>> matching(["trade", "heal", "self-heal"], "he")
    ['heal', 'self-heal']
    """
    wanted = typed.strip().removeprefix("/").casefold()
    fits = [each for each in dict.fromkeys(candidates) if len(each) <= LONGEST and wanted in each.casefold()]
    return sorted(fits, key=lambda each: not each.casefold().startswith(wanted))[:MOST]


async def _decisions(tools: Tools) -> list[str]:
    return [str(fact.verdict.decision_id) for fact in await _latest(tools)]


async def _held(tools: Tools) -> list[str]:
    found = await tools.ask(wire.GetHolds(most=MOST * 2), wire.HoldList, timeout_s=WITHIN_S)
    return [str(hold.decision_id) for hold in found.holds]


async def _latest(tools: Tools) -> list[VerdictReached]:
    def newest(journal: DecisionsReader) -> list[VerdictReached]:
        records = journal.decisions(DecisionFilter(), most=_LATEST).records
        facts = [decode(record.body) for record in records]
        return [fact for fact in facts if isinstance(fact, VerdictReached)]

    return await tools.look(newest)


async def _status(tools: Tools) -> wire.EngineStatus:
    return await tools.ask(wire.GetStatus(), wire.EngineStatus, timeout_s=WITHIN_S)


async def _scopes(tools: Tools) -> list[str]:
    # All is offered whatever is dead: whoever wants to stop must not look for words.
    try:
        status = await _status(tools)
    except WatchkeeperError:
        return ["all"]
    return [
        "all",
        *(f"agent:{seen.agent}" for seen in status.agents),
        *(f"capability:{name}" for name in status.live),
        *(f"action:{name}" for name in status.actions),
    ]


async def _stops(tools: Tools) -> list[str]:
    return [str(stop.scope) for stop in tools.fence.stops()]


async def _capabilities(tools: Tools) -> list[str]:
    return [str(capability_name(CapabilityId(each))) for each in await _versions(tools)]


async def _versions(tools: Tools) -> list[str]:
    status = await _status(tools)
    # What is on its way comes first: it is what people promote.
    on_the_way = [str(each.candidate) for each in status.rollouts if each.candidate]
    return [*on_the_way, *sorted(str(each) for each in status.live.values())]


async def _agents(tools: Tools) -> list[str]:
    status = await _status(tools)
    return [str(seen.agent) for seen in sorted(status.agents, key=lambda each: -each.last_us)]


async def _recordings(tools: Tools) -> tuple[str, ...]:
    return await asyncio.to_thread(tools.replays.recordings)


async def _policies(tools: Tools) -> tuple[str, ...]:
    return await asyncio.to_thread(tools.replays.policies)


async def _jobs(tools: Tools) -> list[str]:
    return [job.name for job in tools.replays.jobs()]


async def _snapshots(tools: Tools) -> list[str]:
    return ["latest", *(each.snapshot_id for each in await asyncio.to_thread(tools.shelf.list))]


async def _people(tools: Tools) -> list[str]:
    return sorted({str(each.person) for each in tools.links.all()})


async def _commands(tools: Tools) -> list[str]:
    return [each.words for each in LANGUAGE.listed()]


_CANDIDATES: Final[dict[str, Candidates]] = {
    "decision": _decisions,
    "held": _held,
    "scope": _scopes,
    "stop": _stops,
    "capability": _capabilities,
    "version": _versions,
    "recording": _recordings,
    "policy": _policies,
    "job": _jobs,
    "snapshot": _snapshots,
    "agent": _agents,
    "person": _people,
    "command": _commands,
}
"""What is offered for each kind of argument that can be completed."""

KINDS: Final = frozenset(_CANDIDATES)
