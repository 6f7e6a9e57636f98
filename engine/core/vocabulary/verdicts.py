"""What the engine answers: allow, hold or deny, and each gate's reasons with them."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary.actions import Kind, RiskLevel
from engine.core.vocabulary.competing import Touches
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EpisodeId,
    PersonId,
    ProposalId,
    RuleId,
)
from engine.core.vocabulary.proposals import Changed, Impact, Option
from engine.core.vocabulary.rollouts import Assignment
from engine.core.vocabulary.shell import NOTHING, ShellSeen

Ruling = Literal["allow", "escalate", "consensus", "deny"]
"""What one gate says. The strictest of all gates wins, in this order."""
RULING_RANK: dict[Ruling, int] = {"allow": 0, "escalate": 1, "consensus": 2, "deny": 3}

Word = Literal["allow", "hold", "deny"]
"""What the verdict says: escalate and consensus both hold, waiting on different things."""

Measure = float | int | str | None


class Check(Struct, frozen=True, array_like=True, gc=False):
    """One comparison a gate made: `[measure, measured, limit]`. Money is text, so that no digit is lost."""

    measure: str
    measured: Measure
    limit: Measure


class Wait(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One named thing a held verdict waits for."""

    kind: Literal["person", "votes", "resume", "take", "choice"]
    """`take`: all gates allow it, and it is recommended: a person lets it run, or does it themselves.
    `choice`: others want the same resource, and it is to be said which of them gets it."""
    role: str
    """Who can give it: a role of people, or `voters`."""
    needed: int = 1
    of: int | None = None
    """Out of how many; `None` where the number of askable people does not matter."""
    within_us: int | None = None
    """How long it may be given; `None` means as long as the policy holds anything."""
    without_owner: bool = False
    """Whether the person does not count who owns the agent that proposed it."""
    step_up: bool = False
    """Whether each must give a one-time code with it: the action is of class A."""


class Answer(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    cache_hash=True,
    gc=False,
):
    """One gate's answer."""

    gate: str
    ruling: Ruling
    reason: str = ""
    """A sentence for people; empty when the gate had nothing to object to."""
    rule: str = ""
    """The rule, limit or threshold that spoke, or the section that had nothing to say, as policy names it."""
    owner: str = ""
    """The role that may change that rule."""
    checks: tuple[Check, ...] = ()
    waits: tuple[Wait, ...] = ()
    shadowed: bool = False
    """Whether this gate keeps an allowed action from being executed; only the rollout gate does."""


class Objection(Struct, frozen=True, array_like=True, gc=False):
    """One gate that did not simply allow: `[gate, rule, ruling]`."""

    gate: str
    rule: str
    ruling: Ruling


class RiskPart(Struct, frozen=True, array_like=True, gc=False):
    """One contribution to a risk score: `[name, points, why]`."""

    name: str
    points: int
    why: str


class Risk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True, gc=False):
    """How bad a mistake would be: a level, its score from 0 to 100, and the parts that sum to it."""

    level: RiskLevel
    score: int
    parts: tuple[RiskPart, ...]


class RiskFound(Struct, frozen=True, array_like=True, cache_hash=True, gc=False):
    """`[risk, destructive, protected, in_production, shell]`: a risk, and what rules may ask about it."""

    risk: Risk
    destructive: bool
    """Whether a destructive pattern matched, or a command has a destructive form."""
    protected: bool
    """Whether a protected path is touched."""
    in_production: bool = False
    """Whether it acts on one of the policy's production environments."""
    shell: ShellSeen = NOTHING
    """What a command among its arguments would do."""


class Assessment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What the gates say that look only at the proposal and its own episode."""

    kind: Kind | None
    """`None` when the action is not in the registry."""
    risk: Risk
    shadow_rules: tuple[RuleId, ...]
    """Rules in shadow mode that would have fired: logged, not counted."""
    options: tuple[Option, ...]
    confidence: float | None
    environment: str
    answers: tuple[Answer, ...]


class Claimed(Struct, frozen=True, array_like=True, gc=False):
    """What outcomes are held against: `[confidence, rule]`."""

    confidence: float
    rule: str
    """The rule of policy that fired; empty when none did."""


class Verdict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The decision on one proposal, complete enough to be explained without anything else."""

    decision_id: DecisionId
    proposal_id: ProposalId
    at_us: int
    word: Word
    shadowed: bool
    """Decided and logged, but not to be executed: its capability has not earned that yet."""
    waits: tuple[Wait, ...]
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    episode: EpisodeId
    impact: Impact
    digest: Digest
    """SHA-256 over the action and its exact arguments: what a later approval binds to."""
    policy_hash: Digest
    answers: tuple[Answer, ...]
    """What the gates say that look at everything else that is going on."""
    assessment: Assessment
    assignment: Assignment | UnsetType = UNSET
    """Which arm of a rollout it fell to; unset outside any rollout."""
    claimed: Claimed | UnsetType = UNSET
    """Unset where policy asks for no calibration, where the agent gave no confidence, and in shadow."""
    owner: PersonId | UnsetType = UNSET
    """Who owns the agent; unset where nobody is known to."""
    changed: Changed | UnsetType = UNSET
    """Set where a person proposes it in place of what the agent did."""
    touches: Touches | UnsetType = UNSET
    """What it needs for itself; unset where nothing competes, and in shadow."""
