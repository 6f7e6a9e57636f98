"""The kill switch: a stop somebody set, for everything or a part, denies whatever it covers."""

from msgspec import Struct

from engine.core.vocabulary.facts import KillSwitchCleared, KillSwitchSet
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, capability_name
from engine.core.vocabulary.units import time_text
from engine.core.vocabulary.verdicts import Answer

GATE = "kill_switch"
_CLEAR = Answer(gate=GATE, ruling="allow", rule="kill_switch", owner="captain")


class Stops(Struct):
    """The stops in force, by scope as people write it: `all`, `agent:coder-1`."""

    by_scope: dict[str, KillSwitchSet] = {}

    def covering(self, capability: CapabilityId) -> str:
        """Return the widest stop that covers all a version does, as people write it; empty when none does."""
        for scope in ("all", f"capability:{capability_name(capability)}", f"capability:{capability}"):
            if scope in self.by_scope:
                return scope
        return ""


def fold_set(stops: Stops, fact: KillSwitchSet) -> None:
    """Put a stop in force; setting it again keeps the newest reason."""
    stops.by_scope[str(fact.scope)] = fact


def fold_cleared(stops: Stops, fact: KillSwitchCleared) -> None:
    """Lift exactly this stop; wider and narrower ones stay in force."""
    stops.by_scope.pop(str(fact.scope), None)


def judge(stops: Stops, agent: AgentId, capability: CapabilityId, action: ActionName) -> Answer:
    """Deny what any stop covers, the widest first. A capability is known by its name and `name@version`."""
    if not stops.by_scope:
        return _CLEAR
    for scope in (
        "all",
        f"agent:{agent}",
        f"capability:{capability_name(capability)}",
        f"capability:{capability}",
        f"action:{action}",
    ):
        if stop := stops.by_scope.get(scope):
            because = f": {stop.reason}" if stop.reason else ""
            return Answer(
                gate=GATE,
                ruling="deny",
                reason=f"{stop.by} stopped {scope} at {time_text(stop.at_us)}{because}",
                rule=f"kill_switch.{scope}",
                owner="captain",
            )
    return _CLEAR
