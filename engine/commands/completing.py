"""Completion: what could be meant by what somebody has typed so far. Fast, and it changes nothing."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from engine.commands.catalogue import LANGUAGE
from engine.commands.tools import Tools
from engine.core.work.rollout.showing import RolloutShown
from engine.errors import WatchkeeperError
from engine.ports import DecisionFilter
from engine.runtime import wire
from engine.runtime.wire_escalations import DutyShown, EscalationList, GetDuty, GetEscalations

MOST: Final = 25
"""The most any platform shows."""
_FRESH_S: Final = 1.0
"""Somebody types several letters a second, and each asks."""
_ENGINE_S: Final = 0.5


class Completions:
    """Offers candidates for the arguments of commands."""

    def __init__(self, tools: Tools) -> None:
        """Take where to look."""
        self._tools = tools
        self._seen: dict[str, tuple[float, list[str]]] = {}
        self._by_kind: dict[str, Callable[[], Awaitable[list[str]]]] = {
            "action": self._actions,
            "agent": self._agents,
            "capability": self._capabilities,
            "change": self._changes,
            "command": self._commands,
            "decision": self._decisions,
            "escalation": self._escalations,
            "held": self._held,
            "job": self._jobs,
            "ladder": self._ladders,
            "only-ladder": self._only_ladders,
            "person": self._people,
            "policy": self._policies,
            "recording": self._recordings,
            "schedule": self._schedules,
            "scope": self._scopes,
            "snapshot": self._snapshots,
            "standing": self._standing,
            "stop": self._stops,
            "version": self._versions,
            "wanted": self._wanted,
        }

    async def complete(self, kind: str, typed: str, *, most: int = MOST) -> list[str]:
        """Return candidates of a kind that fit what was typed, the best first; none where nothing is known.

        Never raises: whoever types without an engine gets no help, and types on.
        """
        find = self._by_kind.get(kind)
        if find is None:
            return []
        known = self._seen.get(kind)
        if known is None or time.monotonic() - known[0] > _FRESH_S:
            try:
                found = await find()
            except WatchkeeperError:
                found = []
            known = self._seen[kind] = (time.monotonic(), found)
        wanted = typed.casefold()
        fits = [each for each in known[1] if wanted in each.casefold()]
        # What begins so is meant sooner than what merely holds it; otherwise the order stays.
        return sorted(fits, key=lambda each: not each.casefold().startswith(wanted))[:most]

    async def line(self, typed: str) -> list[str]:
        """Return what could stand for the last word of a line."""
        kind, argument, left = LANGUAGE.pending(typed)
        if kind is None:
            wanted = left.casefold()
            return [f"/{each.words}" for each in LANGUAGE.listed() if each.words.startswith(wanted)]
        if argument is None:
            return []
        if argument.choices:
            return [choice for choice in argument.choices if choice.startswith(left)]
        return await self.complete(argument.complete, left)

    # ------------------------------------------------------------ where candidates come from

    async def _engine(self) -> wire.EngineStatus:
        return await self._tools.ask(wire.GetStatus(), wire.EngineStatus, timeout_s=_ENGINE_S)

    async def _actions(self) -> list[str]:
        return list((await self._engine()).actions)

    async def _standing(self) -> list[str]:
        found = await self._tools.ask(wire.GetStanding(), wire.StandingList, timeout_s=_ENGINE_S)
        return [each.standing_id for each in found.standing]

    async def _agents(self) -> list[str]:
        agents = (await self._engine()).agents
        return [each.agent for each in sorted(agents, key=lambda each: -each.last_us)]

    async def _rollouts(self) -> tuple[RolloutShown, ...]:
        found = await self._tools.ask(wire.GetRollouts(), wire.RolloutList, timeout_s=_ENGINE_S)
        return found.rollouts

    async def _capabilities(self) -> list[str]:
        return [each.name for each in await self._rollouts()]

    async def _versions(self) -> list[str]:
        rollouts = await self._rollouts()
        return [each.candidate for each in rollouts if each.candidate is not None and each.stage != "live"]

    async def _commands(self) -> list[str]:
        return [each.words for each in LANGUAGE.listed()]

    async def _decisions(self) -> list[str]:
        page = await self._tools.look(lambda journal: journal.decisions(DecisionFilter(), most=MOST))
        return [record.key.removeprefix("verdict:") for record in page.records]

    async def _held(self) -> list[str]:
        found = await self._tools.ask(wire.GetHolds(most=MOST), wire.HoldList, timeout_s=_ENGINE_S)
        return [hold.decision_id for hold in found.holds]

    async def _jobs(self) -> list[str]:
        return [job.name for job in self._tools.replays.jobs()]

    async def _changes(self) -> list[str]:
        duty = await self._tools.ask(GetDuty(), DutyShown, timeout_s=_ENGINE_S)
        return [each.change_id for each in duty.changes]

    async def _escalations(self) -> list[str]:
        found = await self._tools.ask(GetEscalations(), EscalationList, timeout_s=_ENGINE_S)
        standing = [each for each in found.escalations if each.stage != "ended"]
        return [each.code or each.escalation_id for each in reversed(standing)]

    async def _wanted(self) -> list[str]:
        return [*await self._escalations(), *await self._held()]

    async def _ladders(self) -> list[str]:
        return ["critical", "warning", *self._tools.directory().ladders]

    async def _only_ladders(self) -> list[str]:
        return list(self._tools.directory().ladders)

    async def _schedules(self) -> list[str]:
        return list(self._tools.directory().schedules)

    async def _people(self) -> list[str]:
        known = [*(each.person for each in self._tools.links.all()), *self._tools.directory().people]
        return list(dict.fromkeys(known))

    async def _policies(self) -> list[str]:
        return list(self._tools.replays.policies())

    async def _recordings(self) -> list[str]:
        return list(self._tools.replays.recordings())

    async def _scopes(self) -> list[str]:
        try:
            engine = await self._engine()
        except WatchkeeperError:
            # Whoever wants to stop everything must not look for the word, least of all now.
            return ["all"]
        agents = [each.agent for each in engine.agents]
        return [
            "all",
            *(f"agent:{name}" for name in agents),
            *(f"capability:{name}" for name in engine.live),
            *(f"action:{name}" for name in engine.actions),
        ]

    async def _snapshots(self) -> list[str]:
        return ["latest", *(each.snapshot_id for each in self._tools.shelf.list())]

    async def _stops(self) -> list[str]:
        return [str(stop.scope) for stop in self._tools.fence.stops()]
