"""Everything that can happen, in the past tense. The journal is a list of these and state is a fold of it."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from engine.core.vocabulary.contest_facts import (
    BallotCast,  # noqa: F401 - part of `ContestFact`, and known from here like every fact
    BallotRefused,
    ContestDecided,
    ContestFact,
    ContestOpened,
    ContestSettled,  # noqa: F401 - part of `ContestFact`
    ContestUndecided,
)
from engine.core.vocabulary.effects import EffectKind, EffectStatus, Result
from engine.core.vocabulary.escalation_facts import (
    EscalationFact,
    OnCallChanged,
    OnCallRestored,
)
from engine.core.vocabulary.fact import Fact
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EffectId,
    EpisodeId,
    PersonId,
    ProposalId,
)
from engine.core.vocabulary.people_facts import (
    AnswerRefused,
    CaptainAway,
    CaptaincyBegun,
    CaptaincyDeclined,
    CaptaincyOffered,
    CaptaincyPassed,
    CommandGiven,
    DecisionOverridden,
    DecisionRated,
    DeputyNamed,
    HoldAnswered,
    HoldEnded,
    QuestionAsked,
    QuestionReplied,
    StandingEnded,
    StandingGiven,
    VoteCast,
    VoteClosed,
)
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.provenance import Trust
from engine.core.vocabulary.rollout_facts import (
    CapabilityDemoted,
    CapabilityPromoted,
    CapabilityReplayed,
    IncumbentActed,
    PromotionAsked,
    PromotionReady,
    PromotionRefused,
    RolloutAborted,
    RolloutPaused,
    RolloutResumed,
    StageChanged,
)
from engine.core.vocabulary.rollouts import RolloutSettings
from engine.core.vocabulary.scopes import Scope
from engine.core.vocabulary.upkeep_facts import (
    ProcessEnded,
    SnapshotRestored,
    SnapshotSaved,
    TroubleFound,
    TroubleGone,
)
from engine.core.vocabulary.verdicts import Verdict

Measured = Literal["cost_usd", "files", "api_calls"]


class Limit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The most that may be used within a sliding window."""

    id: str
    measure: Measured
    most: Decimal
    """In the unit of the measure: US dollars, files or calls."""
    window_us: int
    per: Literal["agent", "all"]
    owner: str = "captain"
    """The role that may change it."""


class BreakerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a circuit breaker opens and closes."""

    failures_to_open: int
    """Failures in a row, all within the window, that open it."""
    window_us: int
    open_us: int
    """How long it stays open before trials are let through."""
    trials: int
    """How many trials may be under way at once while half open."""
    successes_to_close: int
    owner: str = "captain"
    """The role that may change this."""


class CalibrationSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When what confidences were worth counts beside what agents say."""

    below: float
    """A calibrated confidence under it asks a person, 0 to 1."""
    decisions: int
    """How many of the last decisions of each capability and rule count."""
    least: int
    """Fewer of about the same confidence say nothing."""
    margin: float
    """How many standard errors under the share that was right a confidence is trusted."""
    owner: str = "captain"
    """The role that may change this."""


class PolicyAdopted(Fact, tag="policy_adopted", frozen=True, kw_only=True):
    """The engine began to decide by this policy. Carries what state must know of it to fold."""

    policy_hash: Digest
    limits: tuple[Limit, ...]
    breaker: BreakerSettings
    hold_us: int
    """How long a held decision stays open."""
    episode_idle_us: int
    """How long an episode may be silent before what was said in it is forgotten."""
    rollouts: RolloutSettings = RolloutSettings()
    calibration: CalibrationSettings | UnsetType = UNSET
    """Unset where confidence counts as the agent gives it."""


class ProposalReceived(Fact, tag="proposal_received", frozen=True, kw_only=True):
    """An agent asked for something."""

    proposal: Proposal


class VerdictReached(Fact, tag="verdict_reached", frozen=True, kw_only=True):
    """The engine answered a proposal."""

    verdict: Verdict


class OutcomeReported(Fact, tag="outcome_reported", frozen=True, kw_only=True):
    """Something came of a proposal, at the hands of the executor or of the incumbent."""

    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    ok: bool
    by: Literal["executor", "incumbent"]
    detail: str = ""
    cost_usd: Decimal | UnsetType = UNSET
    """What it really cost; unset where nobody says. Raises `ValueError` as that of an `Impact` does."""
    without_leave: Literal["prompt", "agent"] | UnsetType = UNSET
    """Nobody had allowed it, and it was done: `prompt`, because somebody let it run at the agent's own
    prompt; `agent`, because the agent did not wait. Unset where it was allowed, in shadow, and in
    recordings."""

    def __post_init__(self) -> None:
        """Refuse what could not be summed exactly."""
        if self.cost_usd is not UNSET:
            Impact(cost_usd=self.cost_usd)


class MessageObserved(Fact, tag="message_observed", frozen=True, kw_only=True):
    """Text entered an episode: from the person it serves, from a tool, or from the agent itself."""

    episode: EpisodeId
    source: Literal["person", "tool", "agent"]
    text: str
    by: AgentId | UnsetType = UNSET
    """The agent that says so; unset where a front-end or a recording does."""
    tool: str | UnsetType = UNSET
    """The tool that returned it."""
    asked: str | UnsetType = UNSET
    """What that tool was asked for, one thing a line: a file, a sender, a search."""
    trust: Trust | UnsetType = UNSET
    """How far the agent believes the tool; the policy may believe it less."""


class EpisodeClosed(Fact, tag="episode_closed", frozen=True, kw_only=True):
    """An incident, task or conversation ended."""

    episode: EpisodeId


class MetricObserved(Fact, tag="metric_observed", frozen=True, kw_only=True):
    """One point of one measured series."""

    series: str
    # Within ±10^140 the squared distances of 10^28 points still have a finite sum.
    value: Annotated[float, Meta(ge=-1e140, le=1e140)]


class KillSwitchSet(Fact, tag="kill_switch_set", frozen=True, kw_only=True):
    """Somebody stopped autonomy, for everything or for a part."""

    scope: Scope
    by: PersonId
    reason: str = ""


class KillSwitchCleared(Fact, tag="kill_switch_cleared", frozen=True, kw_only=True):
    """Somebody let a stopped part go on."""

    scope: Scope
    by: PersonId
    reason: str = ""


class SnapshotTaken(Fact, tag="snapshot_taken", frozen=True, kw_only=True):
    """State was written down beside the journal. The chain vouches for it by this hash."""

    seq: int
    """The last record the snapshot includes."""
    state_hash: Digest
    """SHA-256 of its bytes."""


class EffectStarted(Fact, tag="effect_started", frozen=True, kw_only=True):
    """A worker was about to begin an effect. Without an `EffectEnded` nobody knows how far it got."""

    effect_id: EffectId
    decision_id: DecisionId
    kind: EffectKind
    worker: str
    token: int
    """The fencing token of its lease: an older holder of the same effect is turned away by it."""
    attempt: int


class EffectEnded(Fact, tag="effect_ended", frozen=True, kw_only=True):
    """An effect came to its end, one way or another."""

    effect_id: EffectId
    decision_id: DecisionId
    kind: EffectKind
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    token: int
    """0 when it never was leased."""
    status: EffectStatus
    result: Result


class EffectEndTold(Fact, tag="effect_end_told", frozen=True, kw_only=True):
    """A body told how an effect ended that had been given up on: its lease was over by then.

    Nothing follows from it but that people know. The effect stays as it ended before.
    """

    effect_id: EffectId
    decision_id: DecisionId
    kind: EffectKind
    agent: AgentId
    body: str
    token: int
    """The fencing token of the lease that was over."""
    status: EffectStatus
    result: Result


class UndoRequested(Fact, tag="undo_requested", frozen=True, kw_only=True):
    """Somebody wants an effect taken back."""

    effect_id: EffectId
    """Of the taking back."""
    of: EffectId
    """Of what is to be taken back."""
    decision_id: DecisionId
    """The decision it all began with."""
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    by: str
    reason: str = ""
    force: bool = False
    """Whether to take it back even though the world has moved on since."""


class PersonSeen(Fact, tag="person_seen", frozen=True, kw_only=True):
    """A person was at the controls."""

    person: PersonId
    role: Literal["viewer", "responder", "captain"]


class TimePassed(Fact, tag="time_passed", frozen=True, kw_only=True):
    """A schedule fired. `at_us` is when it was due."""

    schedule: str


AnyFact = (
    PolicyAdopted
    | ProposalReceived
    | VerdictReached
    | OutcomeReported
    | MessageObserved
    | EpisodeClosed
    | MetricObserved
    | KillSwitchSet
    | KillSwitchCleared
    | CapabilityPromoted
    | CapabilityDemoted
    | CapabilityReplayed
    | IncumbentActed
    | PromotionAsked
    | RolloutAborted
    | StageChanged
    | PromotionRefused
    | PromotionReady
    | RolloutPaused
    | RolloutResumed
    | SnapshotTaken
    | EffectStarted
    | EffectEnded
    | EffectEndTold
    | UndoRequested
    | PersonSeen
    | TimePassed
    | ProcessEnded
    | TroubleFound
    | TroubleGone
    | SnapshotSaved
    | SnapshotRestored
    | HoldAnswered
    | DecisionOverridden
    | HoldEnded
    | AnswerRefused
    | QuestionAsked
    | QuestionReplied
    | CaptaincyBegun
    | CaptaincyOffered
    | CaptaincyPassed
    | CaptaincyDeclined
    | CaptainAway
    | DeputyNamed
    | StandingGiven
    | StandingEnded
    | CommandGiven
    | VoteCast
    | VoteClosed
    | DecisionRated
    | ContestFact
    | EscalationFact
    | OnCallChanged
    | OnCallRestored
)

OWN_FACTS: Final = (
    PolicyAdopted, VerdictReached, SnapshotTaken, StageChanged, PromotionRefused, PromotionReady,
    HoldEnded, AnswerRefused, VoteClosed,
    ContestOpened, BallotRefused, ContestUndecided, ContestDecided,
)  # fmt: skip
"""Facts that only the engine may state: told by others, they would say what counts and what was decided."""

IMPORTED_FACTS: Final = (CapabilityPromoted, CapabilityDemoted)
"""Facts of histories that come from elsewhere: in a live engine they would be authority without evidence."""

FACT_TYPES: Final[dict[str, type[Fact]]] = {
    str(kind.__struct_config__.tag): kind for kind in AnyFact.__args__
}


def tag_of(fact: Fact | type[Fact]) -> str:
    """Return the word that facts of this kind begin with in the journal.

    >>> tag_of(KillSwitchSet)
    'kill_switch_set'
    """
    return str(fact.__struct_config__.tag)


# One canonical form for the journal, recordings and hashes: compact JSON, fields as declared, keys of free
# maps sorted. It is stable across processes, hash seeds and Python versions, and any tool can read it.
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_DECODER: Final[msgspec.json.Decoder[AnyFact]] = msgspec.json.Decoder(AnyFact)


def encode(anything: Any) -> bytes:
    """Write a fact, or any part of one, in canonical JSON."""
    return _ENCODER.encode(anything)


def encode_into(anything: Any, buffer: bytearray) -> None:
    """Write it over what a buffer held: room for many large facts need be found only once."""
    _ENCODER.encode_into(anything, buffer)


def decode(line: bytes | str) -> AnyFact:
    """Read one fact. Raises `msgspec.ValidationError` naming the field that is wrong."""
    return _DECODER.decode(line)


def decode_lines(lines: bytes) -> list[AnyFact]:
    """Read many facts, one on each line. Raises `msgspec.ValidationError` as `decode` does."""
    return _DECODER.decode_lines(lines)
