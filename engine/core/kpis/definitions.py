"""Definitions: what a KPI measures, over which window, and what it should come to."""

from typing import Final, Literal

from msgspec import Struct

from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, CapabilityName, capability_name
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US

Kind = Literal["success", "agreement", "holds_upheld", "uptime", "cost_per_decision", "value"]

Arm = Literal["autonomy", "allowed", "incumbent"]
"""Whose work counts: what was executed here; what was allowed, whoever then did it; what others did."""

MEANINGS: Final[dict[Kind, tuple[str, str, str]]] = {
    "success": (
        "episodes that ended well, of those judged in the window: each once, a horizon after it began",
        "share",
        "`verdict_reached`, `outcome_reported`, `incumbent_acted`",
    ),
    "agreement": (
        "episodes in which candidate and incumbent did the same, of those a rollout compared in shadow",
        "share",
        "as for rollouts",
    ),
    "holds_upheld": (
        "holds that came to their end and that nobody approved or carried out anyway, of all that did",
        "share",
        "`verdict_reached`, `hold_ended`, `outcome_reported`",
    ),
    "uptime": (
        "time in which autonomy was neither stopped, nor in doubt, nor paused, nor away, of the window",
        "share",
        "`kill_switch_…`, `trouble_…`, `rollout_paused`, `rollout_resumed`, `time_passed`",
    ),
    "cost_per_decision": (
        "what the decisions of the window cost, as reported or else as estimated, by their number",
        "US dollars",
        "`verdict_reached`, `outcome_reported`",
    ),
    "value": (
        "success of canaries less success of the incumbent beside them, at the same share of episodes",
        "difference of shares",
        "as for rollouts",
    ),
}
"""What each kind is, its unit, and the facts it rests on."""

BY_ARM: Final[frozenset[Kind]] = frozenset({"success", "cost_per_decision"})
"""Kinds that ask whose work counts."""

COMPARED: Final[frozenset[Kind]] = frozenset({"agreement", "value"})
"""Kinds that count what a rollout counts: whole episodes of one capability, whoever proposed in them."""

_STEPS: Final = ((6 * HOUR_US, MINUTE_US), (14 * DAY_US, HOUR_US))


class Coverage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a KPI is about; an empty part is about everything."""

    agent: AgentId = AgentId("")
    capability: CapabilityId | CapabilityName = CapabilityName("")
    """A name, for every version of it, or one version."""
    action: ActionName = ActionName("")

    def covers(self, agent: AgentId, capability: CapabilityId, action: ActionName) -> bool:
        """Whether a decision or an outcome counts.

        >>> Coverage(capability=CapabilityName("heal")).covers(
        ...     AgentId("a"), CapabilityId("heal@2"), ActionName("x")
        ... )
        True
        """
        return (
            (not self.agent or self.agent == agent)
            and (not self.capability or self.capability in {capability, capability_name(capability)})
            and (not self.action or self.action == action)
        )


class Kpi(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure people judge autonomy by."""

    name: str
    kind: Kind
    shows: str
    """What people read beside it."""
    window_us: int
    arm: Arm = "autonomy"
    scope: Coverage = Coverage()
    at_least: float | None = None
    """The target, as a share from 0 to 1, or as a difference of two from -1 to 1; `None` without one."""
    at_most: float | None = None
    """The target the other way round; of cost in US dollars."""
    least: int = 1
    """How many cases in the window it must rest on to say anything."""

    @property
    def step_us(self) -> int:
        """How finely its window moves on: sums are kept for whole steps, counted from 1970 in UTC.

        A minute up to six hours, an hour up to fourteen days, then a day; a window is at most 366 of them.
        """
        return next((step for longest, step in _STEPS if self.window_us <= longest), DAY_US)

    @property
    def steps(self) -> int:
        """How many steps its window has."""
        return self.window_us // self.step_us

    def from_us(self, now_us: int) -> int:
        """Say when the window begins that ends now: with the first of its steps, the last being under way."""
        return (now_us // self.step_us - self.steps + 1) * self.step_us
