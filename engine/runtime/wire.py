"""The wire: what is said over the engine's socket, as one line of JSON a message.

Front-ends, workers and the supervisor ask; the engine answers each request under its number, in any order.
`Subscribe` is answered again and again, for everything that happens.
"""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import AnyFact, CapabilityReplayed, Scope
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    CapabilityName,
    DecisionId,
    EffectId,
    EpisodeId,
    PersonId,
    ProposalId,
)
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.rollouts import Evidence, RolloutPlan, Stage
from engine.core.vocabulary.verdicts import Verdict
from engine.core.work.rollout.showing import RolloutShown
from engine.runtime.wire_contests import ContestReply, ContestRequest
from engine.runtime.wire_escalations import EscalationReply, EscalationRequest
from engine.runtime.wire_figures import FigureReply, FigureRequest
from engine.runtime.wire_messages import Message, TellMessages
from engine.runtime.wire_people import (
    AnswerHold,
    AskAgent,  # noqa: F401 - part of `QuestionRequest`
    AskVeto,  # noqa: F401 - part of `VoteRequest`
    AskVoter,  # noqa: F401 - part of `VoteRequest`
    CaptaincyRequest,
    CaptaincyShown,
    CastVote,  # noqa: F401 - part of `VoteRequest`
    ChangeHold,
    DecisionStatus,
    GetCaptaincy,  # noqa: F401 - part of `CaptaincyRequest`
    GetHolds,
    GetPolls,  # noqa: F401 - part of `VoteRequest`
    GetStanding,
    GiveStanding,
    HoldAnswer,
    HoldList,
    HoldShown,  # noqa: F401 - part of `HoldList`, and known from here like every message
    Override,
    PollList,  # noqa: F401 - part of `VoteAnswer`
    PollShown,  # noqa: F401 - part of `PollList`
    QuestionRequest,
    QuestionTaken,
    RateDecision,
    ReplyToQuestion,  # noqa: F401 - part of `QuestionRequest`
    RevokeStanding,
    SayOfCaptaincy,  # noqa: F401 - part of `CaptaincyRequest`
    SeePerson,
    StandingList,
    StandingShown,
    VetoKnown,  # noqa: F401 - part of `VoteAnswer`
    VoteAnswer,
    VoteRequest,
    VoterKnown,  # noqa: F401 - part of `VoteAnswer`
)
from engine.runtime.wire_status import AgentSeen, EngineStatus  # noqa: F401 - known from here
from engine.runtime.wire_words import Answer, Request
from engine.runtime.wire_work import (
    ActionsKnown,
    AskActions,
    Body,  # noqa: F401 - part of `Lease`
    BodySeen,  # noqa: F401 - part of `EngineStatus`
    End,
    GiveBack,
    Lease,
    Leased,
    LeasedEffect,  # noqa: F401 - part of `Leased`
    Renew,
    Renewed,
    Start,
)

# ---------------------------------------------------------------- requests


class Propose(Request, frozen=True, kw_only=True):
    """Decide on a proposal. Answered with `Decided`, once it is on disk."""

    proposal: Proposal
    context: tuple[Message, ...] = ()
    """What was said in its episode so far; taken first."""


class ReportOutcome(Request, frozen=True, kw_only=True):
    """Say what came of something that an agent was granted, or an incumbent did."""

    proposal_id: ProposalId
    agent: AgentId
    ok: bool
    detail: str = ""
    cost_usd: Decimal | UnsetType = UNSET
    """What it really cost; unset where nobody says."""
    at_prompt: bool = False
    """Whether somebody at the agent's own prompt was asked, and let it run."""


class Beat(Request, frozen=True, kw_only=True):
    """Say that an agent is alive."""

    agent: AgentId


class SetStop(Request, frozen=True, kw_only=True):
    """Journal a stop that the fence has, or set it there first."""

    scope: Scope
    by: PersonId
    reason: str = ""


class LiftStop(Request, frozen=True, kw_only=True):
    """Lift one stop. The asker has checked that `by` is a captain."""

    scope: Scope
    by: PersonId
    reason: str


class Promote(Request, frozen=True, kw_only=True):
    """Ask for the next step of a rollout. Answered with `Stepped`, taken or refused."""

    capability: CapabilityId
    by: PersonId
    reason: str


class Abort(Request, frozen=True, kw_only=True):
    """Take away the authority of a capability's candidate, or else of its live version. See `Stepped`."""

    capability: CapabilityName
    by: PersonId
    reason: str


class PauseRollout(Request, frozen=True, kw_only=True):
    """Hold a capability back, for a reason."""

    capability: CapabilityName
    by: PersonId
    reason: str


class ResumeRollout(Request, frozen=True, kw_only=True):
    """Lift one reason that holds a capability back; all of them when it is empty."""

    capability: CapabilityName
    by: PersonId
    reason: str


class TellReplay(Request, frozen=True, kw_only=True):
    """Hand in what a replay showed of a version. Answered with `Replayed`."""

    fact: CapabilityReplayed
    by: PersonId


class ActIncumbent(Request, frozen=True, kw_only=True):
    """Say what people, or a program nobody governs, did in an episode."""

    episode: EpisodeId
    capability: CapabilityName
    action: ActionName
    args: dict[str, Any] = msgspec.field(default_factory=dict)
    ok: bool
    by: str


class GetRollouts(Request, frozen=True, kw_only=True):
    """Say how a rollout stands; all of them when no capability is named. Answered with `RolloutList`."""

    capability: CapabilityName | None = None


class GetPlan(Request, frozen=True, kw_only=True):
    """Say what a capability has to show, by the policy in force. Answered with `Planned`."""

    capability: CapabilityName


class RequestUndo(Request, frozen=True, kw_only=True):
    """Take an effect back. Answered with `Queued`."""

    of: EffectId
    by: PersonId
    reason: str = ""
    force: bool = False


class RequestPreview(Request, frozen=True, kw_only=True):
    """Say what a decided proposal would do. Answered with `Previewed`, when a worker has said it."""

    decision_id: DecisionId
    wait_s: float = 30.0


class ClearTrouble(Request, frozen=True, kw_only=True):
    """Say that a trouble does not matter. The asker has checked that `by` is a captain."""

    trouble: str
    by: PersonId
    reason: str


class Tell(Request, frozen=True, kw_only=True):
    """Journal something that happened elsewhere in the product: a process that ended, a snapshot."""

    key: str
    fact: AnyFact


class Subscribe(Request, frozen=True, kw_only=True):
    """Hear of everything that happens from now on, as `Happened`."""


class GetStatus(Request, frozen=True, kw_only=True):
    """Ask how the engine is. Answered with `EngineStatus`."""


class TakeSnapshot(Request, frozen=True, kw_only=True):
    """Copy journal, configuration and workspace now. Answered with `Saved`."""


class Drain(Request, frozen=True, kw_only=True):
    """Hand out no more effects; what is under way goes on."""


AnyRequest = (
    Propose
    | TellMessages
    | ReportOutcome
    | Beat
    | SeePerson
    | SetStop
    | LiftStop
    | Promote
    | Abort
    | PauseRollout
    | ResumeRollout
    | TellReplay
    | ActIncumbent
    | GetRollouts
    | GetPlan
    | RequestUndo
    | RequestPreview
    | ClearTrouble
    | Tell
    | Lease
    | Start
    | Renew
    | End
    | GiveBack
    | AskActions
    | Subscribe
    | GetStatus
    | AnswerHold
    | ChangeHold
    | Override
    | CaptaincyRequest
    | QuestionRequest
    | VoteRequest
    | ContestRequest
    | EscalationRequest
    | GetHolds
    | RateDecision
    | GiveStanding
    | RevokeStanding
    | GetStanding
    | FigureRequest
    | TakeSnapshot
    | Drain
)

# ---------------------------------------------------------------- answers


class Done(Answer, frozen=True, kw_only=True):
    """It is done, and on disk where it had to be."""


class Decided(Answer, frozen=True, kw_only=True):
    """The verdict on a proposal, new or found again."""

    verdict: Verdict
    status: DecisionStatus
    seq: int
    """The verdict's record in the journal."""


class Queued(Answer, frozen=True, kw_only=True):
    """An effect waits for a worker."""

    effect_id: EffectId


class Previewed(Answer, frozen=True, kw_only=True):
    """What would happen."""

    result: Result


class Happened(Answer, frozen=True, kw_only=True):
    """One record of the journal."""

    seq: int
    fact: AnyFact


class Saved(Answer, frozen=True, kw_only=True):
    """A snapshot that was taken."""

    snapshot_id: str
    files: int
    size_bytes: int


class Stepped(Answer, frozen=True, kw_only=True):
    """What became of the wish for a step."""

    capability: CapabilityId
    was: Stage
    now: Stage
    moved: bool
    """Whether the stage changed; otherwise `reason` says what is missing."""
    reason: str
    evidence: Evidence
    likely_us: int | None
    """When what is missing may be there; `None` when nobody can say, or nothing is."""
    confounded: str = ""
    """Why the arms could not be compared as they stood; empty when they could."""


class Replayed(Answer, frozen=True, kw_only=True):
    """A replay that was taken as evidence."""

    begun: bool
    """Whether a rollout began with it."""
    was: Stage
    now: Stage


class RolloutList(Answer, frozen=True, kw_only=True):
    """How rollouts stand."""

    rollouts: tuple[RolloutShown, ...]


class Planned(Answer, frozen=True, kw_only=True):
    """What a capability has to show, and its versions that need not."""

    plan: RolloutPlan
    established: tuple[CapabilityId, ...]


class Failed(Answer, frozen=True, kw_only=True):
    """It was refused. The client raises it as the error it names."""

    kind: str
    """The class in `engine.errors`."""
    message: str
    place: str | None = None
    cure: str | None = None


AnyAnswer = (
    Done
    | Decided
    | Queued
    | Previewed
    | Leased
    | Renewed
    | ActionsKnown
    | Happened
    | Saved
    | Stepped
    | Replayed
    | RolloutList
    | Planned
    | HoldAnswer
    | HoldList
    | CaptaincyShown
    | QuestionTaken
    | VoteAnswer
    | ContestReply
    | EscalationReply
    | StandingShown
    | StandingList
    | FigureReply
    | EngineStatus
    | Failed
)


class Asked(Struct, frozen=True, array_like=True):
    """A request under its number."""

    number: int
    request: AnyRequest


class Answered(Struct, frozen=True, array_like=True):
    """An answer to the request of that number."""

    number: int
    answer: AnyAnswer


MOST_BYTES = 8 << 20
"""The longest line either side takes."""

encode_line = msgspec.json.Encoder().encode
decode_asked = msgspec.json.Decoder(Asked).decode
decode_answered = msgspec.json.Decoder(Answered).decode
