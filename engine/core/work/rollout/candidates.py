"""Candidates: what is known of each rollout. Changed by folding alone."""

from collections import OrderedDict
from collections.abc import Iterator

from msgspec import Struct, field

from engine.core.statistics import agreement, excess, risk_ratio, sample_ratio
from engine.core.statistics.confounding import OfEntity
from engine.core.vocabulary.facts import CapabilityReplayed
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    CapabilityName,
    DecisionId,
    EffectId,
    ProposalId,
    capability_name,
)
from engine.core.vocabulary.rollouts import (
    SHARES,
    Arm,
    ArmTally,
    Disagreement,
    RolloutPlan,
    RolloutSettings,
    Stage,
)

TWIN = "+twin"
"""A version that ends with this is its incumbent's second run: what the two differ in is noise."""


class OpenEpisode(Struct):
    """One unit on its way: who handles it, what was done, and when it is judged."""

    due_us: int
    last_us: int
    arm: Arm
    share: float
    """Of the canary when it was assigned; 0 in shadow, 1 once live."""
    candidate: set[str] = field(default_factory=set)
    """What the candidate did or would have done, as `action digest`."""
    incumbent: set[str] = field(default_factory=set)
    twin: set[str] | None = None
    """`None` when the incumbent did not run a second time."""
    proposals: list[ProposalId] = field(default_factory=list)
    """Whose outcomes are awaited."""
    objection: str = ""
    """The rule that held or denied something the candidate wanted; empty when there is none."""
    drawn: dict[ActionName, bool] = {}
    """Actions whose arm was drawn anew in it, and whether their outcome came: each counts once, by itself."""
    allowed: bool = False
    """Whether anything was allowed in it."""
    ended: bool = False
    """Whether any outcome came."""
    failed: bool = False
    judged: bool = False
    """Whether it was counted; it stays to keep its arm as long as something happens in it."""


class Awaited(Struct, frozen=True, array_like=True):
    """A decision whose outcome counts for a unit."""

    unit: str
    act: str
    acting: bool
    """Whether it was executed."""
    candidate: bool
    """Whether it was the candidate's."""
    drawn: ActionName = ActionName("")
    """Its action, if the arm of this one decision was drawn anew; else empty."""


class Performed(Struct, frozen=True, array_like=True):
    """Something a canary did that may still be undone."""

    at_us: int
    decision_id: DecisionId
    proposal_id: ProposalId
    agent: AgentId
    action: ActionName


class Candidate(Struct, kw_only=True):
    """One version on its way, with the evidence of its stage."""

    capability: CapabilityId
    stage: Stage
    since_us: int
    before: CapabilityId = CapabilityId("")
    """The version that was live before this one, to give the work back to; empty when people did it."""

    # Of this stage alone.
    compared: int = 0
    agreed: int = 0
    days: int = 0
    """On how many different days (UTC) episodes were judged."""
    last_day: int = -1
    canary: int = 0
    canary_failures: int = 0
    control: int = 0
    control_failures: int = 0
    canary_missing: int = 0
    """Of its failures, those for want of an outcome."""
    control_missing: int = 0
    late: int = 0
    entities: dict[str, OfEntity] = {}
    """Where a plan assigns by an argument: each value's episodes. Only the first so many are kept."""
    held_back: ArmTally = ArmTally(0, 0)
    """Shadow episodes whose end is known, in which it would have done nothing and the incumbent acted."""
    explored_canary: ArmTally = ArmTally(0, 0)
    """Decisions whose arm was drawn anew, by who acted; in no episode's outcome and in no evidence."""
    explored_control: ArmTally = ArmTally(0, 0)
    twins: int = 0
    """Episodes in which the incumbent ran twice."""
    twins_agreed: int = 0
    disagreements: dict[str, Disagreement] = {}
    agreement: list[float] = field(default_factory=agreement.begin)
    good: list[float] = field(default_factory=risk_ratio.begin_good)
    ratio: list[float] = field(default_factory=sample_ratio.begin)
    missing: list[float] = field(default_factory=sample_ratio.begin)
    """Evidence that outcomes go missing in one arm more than in the other."""
    ready: bool = False
    """Whether people were told that the next step waits for their word."""

    failed: list[int] = field(default_factory=lambda: [0, 0] * len(SHARES))
    """Failures of the canary and of control by share, for people to look at; of the whole rollout."""

    # Of the whole rollout: what speaks against it is not forgotten at the next step.
    bad: list[float] = field(default_factory=risk_ratio.begin_bad)
    limit: list[float] = field(default_factory=excess.begin)
    promoted_on: ArmTally = ArmTally(0, 0)
    """Control's episodes in the stage from which it went live: how often it fails is held against that."""
    guardrails: dict[str, list[float]] = {}
    breach: str = ""
    """Why it must be rolled back whatever the numbers say; empty while nothing of that kind happened."""
    mixed_up: str = ""
    """Why its arms cannot be trusted; empty while they can."""

    episodes: dict[str, OpenEpisode] = field(default_factory=OrderedDict)
    """By unit, the next to be judged first; an `OrderedDict` for the reason that `Holds` gives."""
    awaited: dict[ProposalId, Awaited] = {}
    performed: dict[EffectId, Performed] = {}
    """Only the newest are kept."""

    @property
    def share(self) -> float:
        """The canary's share of episodes in this stage: 0 in shadow, 1 once live."""
        return 1.0 if self.stage == "live" else SHARES.get(self.stage, 0.0)

    @property
    def watched(self) -> bool:
        """Whether its episodes count for anything now."""
        return self.stage not in {"unproven", "replayed", "rolled_back"}


class Rollouts(Struct):
    """The live version of each capability, everything that holds one back, and who is on the way."""

    settings: RolloutSettings = RolloutSettings()
    live: dict[CapabilityName, CapabilityId] = {}
    paused: dict[CapabilityName, dict[str, str]] = {}
    """Reason → who gave it. A set of reasons, not one flag: lifting one must not lift another."""
    established: set[CapabilityId] = field(default_factory=set)
    """Versions whose standing was taken over once: who lost it since does not get it back by a restart."""
    candidates: dict[CapabilityName, Candidate] = {}
    replays: dict[CapabilityId, CapabilityReplayed] = {}
    """The newest replay of each version."""

    def plan_of(self, capability: CapabilityId | CapabilityName) -> RolloutPlan:
        """Return the plan that holds for a capability or any version of it."""
        return self.settings.plan_of(capability_name(capability))

    def candidate_of(self, capability: CapabilityId) -> Candidate | None:
        """Return the rollout of exactly this version; `None` when it has none."""
        candidate = self.candidates.get(capability_name(capability))
        return candidate if candidate is not None and candidate.capability == capability else None

    def may_act(self, capability: CapabilityId) -> bool:
        """Whether anything of this version may be executed now: it is live, or a canary."""
        candidate = self.candidate_of(capability)
        canary = candidate is not None and candidate.share > 0
        return canary or self.live.get(capability_name(capability)) == capability


def in_order(rollouts: Rollouts) -> Iterator[tuple[CapabilityName, Candidate]]:
    """Give every candidate by the order of names, which does not depend on who came first."""
    yield from sorted(rollouts.candidates.items())


def put_in_order(rollouts: Rollouts) -> None:
    """Put open episodes back into the order in which they are due: canonical bytes are sorted by name."""
    for candidate in rollouts.candidates.values():
        candidate.episodes = OrderedDict(
            sorted(candidate.episodes.items(), key=lambda item: (item[1].due_us, item[0]))
        )
