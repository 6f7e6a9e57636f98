"""Rollouts: how far a capability has come, what its next step asks for, and on what evidence it was taken."""

from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary.ids import ActionName, CapabilityId, CapabilityName, capability_name

Stage = Literal["unproven", "replayed", "shadow", "canary_1", "canary_10", "canary_50", "live", "rolled_back"]
"""How far one version is. Everything nobody ever heard of is `unproven`."""

ORDER: Final[tuple[Stage, ...]] = (
    "unproven", "replayed", "shadow", "canary_1", "canary_10", "canary_50", "live",
)  # fmt: skip
"""The way up, a step at a time. Down it goes at once, to `rolled_back`."""

SHARES: Final[dict[Stage, float]] = {"canary_1": 0.01, "canary_10": 0.10, "canary_50": 0.50}
"""The share of episodes a canary gets. In every other stage nothing is shared out."""

Arm = Literal["canary", "control"]
"""Who handles an episode: the candidate, or the incumbent beside it."""


class Assignment(Struct, frozen=True, array_like=True, gc=False):
    """Which arm a decision fell to: `[unit, arm, share, chance, explored]`."""

    unit: str
    """What was assigned: the episode, or the entity where a plan says so."""
    arm: Arm
    share: float
    """Of the canary when the unit was assigned, 0 to 1."""
    chance: float
    """The probability with which this decision fell to this arm: what off-policy estimates divide by."""
    explored: bool = False
    """Whether the arm of this one decision was drawn anew, so that it says nothing about its unit."""


class Standing(Struct, frozen=True, kw_only=True):
    """Where one version stands at the moment of one decision."""

    stage: Stage
    acting: bool
    """Whether what it is allowed to do here is executed."""
    assignment: Assignment | None = None
    """`None` outside any rollout."""
    paused: tuple[tuple[str, str], ...] = ()
    """Each reason that holds it back, and who gave it."""


class SeriesLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measured series that must not go wrong while a candidate acts."""

    series: str
    above: float
    """A point over this is a bad one, in the unit of the series."""
    share: float
    """The share of bad points that is still acceptable, over 0 and under 1."""


class RolloutPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one capability has to show before it gets more authority, and what takes it away."""

    automatic: bool = False
    """Whether a step is taken as soon as its evidence is there, without a person asking."""
    undo_on_rollback: bool = False
    """Whether a rollback takes back what the canary did and can still be undone."""
    unit: str = "episode"
    """What is assigned to an arm: `episode`, or `argument:NAME` for the value of one argument."""
    horizon_us: int = 3_600_000_000
    """How long after its first decision an episode is judged; what did not end well by then failed."""
    replay_decisions: int = 200
    """How many of its decisions a replay must hold; 0 asks for no replay."""
    replay_age_us: int = 30 * 86_400_000_000
    """How old a replay may be when shadow is left."""
    shadow_us: int = 7 * 86_400_000_000
    shadow_episodes: int = 100
    """How many episodes must have been compared in shadow."""
    agreement: float = 0.95
    """The share of episodes, over 0 and under 1, in which candidate and incumbent must surely agree."""
    compare: Literal["action", "arguments"] = "arguments"
    """Whether two acts are the same by their action alone, or by their exact arguments too."""
    canary_episodes: int = 20
    """How many episodes each canary stage must have handled, however clear the evidence."""
    ratios: tuple[float, float, float] = (4.0, 2.0, 1.25)
    """How many times the incumbent's failures must be ruled out to leave 1, 10 and 50 %."""
    alpha: float = 0.05
    """The most probable each wrong end may be: a good candidate rolled back, a bad one promoted."""
    failure_share: float = 0.2
    """A canary that surely fails in more of its episodes than this, and than control does, is rolled back."""
    span: int = 10_000
    """Over how many observations a guardrail may raise a false alarm with probability `alpha` at most."""
    never: tuple[ActionName, ...] = ()
    """Actions a canary must never carry out: the first ends its rollout."""
    guardrails: tuple[SeriesLimit, ...] = ()
    mode: Literal["recommend"] | UnsetType = UNSET
    """`recommend`: what is allowed waits for a person to take it. Unset: it is executed."""


class RolloutSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plans in force."""

    plan: RolloutPlan = RolloutPlan()
    """For every capability that has none of its own."""
    by_name: dict[CapabilityName, RolloutPlan] = {}
    established: tuple[CapabilityId, ...] = ()
    """Versions that held their authority before Watchkeeper came: the first incumbents."""
    exploration: float = 0.0
    """The share of SAFE decisions of a canary whose arm is drawn anew, so that both arms are seen."""
    owner: str = "captain"
    """The role that may change this."""

    @property
    def guarded(self) -> frozenset[str]:
        """Every series that is a guardrail of some plan: everybody must see its points in order."""
        plans = (self.plan, *self.by_name.values())
        return frozenset(each.series for plan in plans for each in plan.guardrails)

    def plan_of(self, name: CapabilityName) -> RolloutPlan:
        """Return the plan that holds for a capability."""
        return self.by_name.get(name, self.plan)

    def established_as(self, name: CapabilityName) -> tuple[CapabilityId, ...]:
        """Return the versions of a capability that held authority before."""
        return tuple(each for each in self.established if capability_name(each) == name)

    def recommends(self, name: CapabilityName) -> bool:
        """Whether what a capability is allowed to do is only recommended."""
        return self.plan_of(name).mode is not UNSET


class Requirement(Struct, frozen=True, array_like=True, gc=False):
    """One thing a step asks for: `[name, measured, needed, met]`."""

    name: str
    measured: float | int | str
    needed: float | int | str
    met: bool


class ArmTally(Struct, frozen=True, array_like=True, gc=False):
    """One arm's episodes: `[episodes, failures]`."""

    episodes: int
    failures: int


class Evidence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was known when a step was taken, or refused. Everything in it follows from the journal's facts."""

    since_us: int
    """When the stage began that ended with this."""
    compared: int = 0
    """Shadow episodes whose candidate and incumbent were compared."""
    agreed: int = 0
    canary: ArmTally = ArmTally(0, 0)
    control: ArmTally = ArmTally(0, 0)
    canary_missing: int = 0
    """Of its failures, those for want of an outcome."""
    control_missing: int = 0
    late: int = 0
    """Outcomes that came after their episode was judged, and count for nothing."""
    explored_canary: ArmTally = ArmTally(0, 0)
    """Decisions whose arm was drawn anew, by who acted: nobody's episode, and no evidence."""
    explored_control: ArmTally = ArmTally(0, 0)
    requirements: tuple[Requirement, ...] = ()


class Disagreement(Struct, frozen=True, array_like=True, gc=False):
    """How often two sides differed for one reason: `[reason, episodes, failures, example]`."""

    reason: str
    episodes: int
    failures: int
    """Of those, how many went wrong in the incumbent's hands."""
    example: str
    """One such episode."""
