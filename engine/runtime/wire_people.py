"""The wire: what people do about decisions, and where decisions stand."""

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct, field

from engine.core.vocabulary.actions import RiskLevel
from engine.core.vocabulary.captaincy import Word
from engine.core.vocabulary.effects import EffectStatus
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EffectId,
    EpisodeId,
    PersonId,
    StandingId,
)
from engine.core.vocabulary.people_facts import Rating, Role
from engine.core.vocabulary.verdicts import Wait
from engine.core.vocabulary.voting import Choice, Tally, Vote
from engine.runtime.wire_words import Answer, Request

DecisionStatus = (
    Literal[
        "denied",
        "held",
        "shadowed",
        "granted",
        "queued",
        "running",
        "vetoed",
        "expired",
        "taken",
        "replaced",
        "bypassed",
    ]
    | EffectStatus
)
"""Where a decision stands. `granted`: allowed, and the agent does it itself and reports the outcome.
`expired`: nobody answered in time. `taken`: it was recommended, and a person did it themselves, or
somebody at the agent's own prompt let it run. `replaced`: a person approved it with changes, and what they
made of it is decided on apart. `bypassed`: the agent did it and did not wait."""

# ---------------------------------------------------------------- requests


class SeePerson(Request, frozen=True, kw_only=True):
    """Say that a person is at the controls."""

    person: PersonId
    role: Role


class AnswerHold(Request, frozen=True, kw_only=True):
    """Approve or deny what waits for people, or say that one did oneself what was recommended.

    Answered with `HoldAnswer`. The asker has checked the role.
    """

    decision_id: DecisionId
    by: PersonId
    role: Role
    answer: Literal["approve", "deny", "did"]
    digest: Digest | None = None
    """Of what the person was shown; `None` binds to what is held now."""
    reason: str = ""
    stepped_up: bool = False
    """Whether the asker has checked, and used up, a one-time code of the person."""


class ChangeHold(Request, frozen=True, kw_only=True):
    """Approve another version of what waits, which takes its place. Answered with `HoldAnswer`.

    The asker has checked the role.
    """

    decision_id: DecisionId
    by: PersonId
    role: Role
    args: dict[str, Any] = field(default_factory=dict)
    """Arguments that are to be otherwise; what is not named stays."""
    texts: dict[str, str] = field(default_factory=dict)
    """The same as people type it, to be read as the registry says; `cost`, `files` and `api_calls` are the
    estimate, unless an argument is called so."""
    cost_usd: Decimal | None = None
    files: int | None = None
    api_calls: int | None = None
    """What it is expected to touch, where that is otherwise; `None` stays."""
    digest: Digest | None = None
    """Of what the person was shown; `None` binds to what is held now."""
    reason: str = ""
    stepped_up: bool = False
    """Whether the asker has checked, and used up, a one-time code of the person."""


class AskAgent(Request, frozen=True, kw_only=True):
    """Ask an agent about what it wants. Answered with `QuestionTaken`. The asker has checked the role."""

    decision_id: DecisionId
    by: PersonId
    question: str


class ReplyToQuestion(Request, frozen=True, kw_only=True):
    """Answer a question about what one proposed. Answered with `QuestionTaken`."""

    decision_id: DecisionId
    agent: AgentId
    nth: int
    answer: str


class SayOfCaptaincy(Request, frozen=True, kw_only=True):
    """Say a word on the captaincy. Answered with `CaptaincyShown`. The asker has checked who it is."""

    word: Word
    by: PersonId
    to: PersonId = PersonId("")
    """Whom it is handed to, or who is made deputy."""
    reason: str = ""
    known: bool = False
    """Whether the asker knows whom that names; else only who was seen here before is taken at their name."""


class GetCaptaincy(Request, frozen=True, kw_only=True):
    """Say who holds the captaincy. Answered with `CaptaincyShown`."""


class AskVeto(Request, frozen=True, kw_only=True):
    """Say whether the policy gives an agent the veto. Answered with `VetoKnown`."""

    agent: AgentId


class Override(Request, frozen=True, kw_only=True):
    """Overrule one decision. Answered with `HoldAnswer`.

    The asker has checked that `by` is a captain, or an agent, whose name stands behind `agent:`.
    """

    decision_id: DecisionId
    by: PersonId
    word: Literal["veto", "allow"]
    reason: str = ""
    stepped_up: bool = False
    """Whether the asker has checked, and used up, a one-time code of the captain."""


class CastVote(Request, frozen=True, kw_only=True):
    """Vote on what waits for votes. Answered with `HoldAnswer`. The asker has checked who it is."""

    decision_id: DecisionId
    voter: PersonId
    """A person, or `agent:NAME`."""
    choice: Choice
    rationale: str = ""
    owner: PersonId | None = None
    """Whose agent it is, as its token says; `None` where that says nobody. The policy knows better."""


class AskVoter(Request, frozen=True, kw_only=True):
    """Say whether the policy lets somebody vote on a decision, over or not. Answered with `VoterKnown`."""

    decision_id: DecisionId
    voter: PersonId


class GetPolls(Request, frozen=True, kw_only=True):
    """Say what waits for votes, the longest waiting first. Answered with `PollList`."""

    voter: PersonId
    """Whose eye it is seen with: it says what they may vote on."""
    owner: PersonId | None = None
    """Whose agent it is, as its token says; `None` where that says nobody."""


class RateDecision(Request, frozen=True, kw_only=True):
    """Say what a decision was worth. Answered with `Done`. The asker has checked the role."""

    decision_id: DecisionId
    by: PersonId
    role: Role
    rating: Rating
    reason: str = ""


class GetHolds(Request, frozen=True, kw_only=True):
    """Say what waits for people, the longest waiting first. Answered with `HoldList`."""

    most: int = 50


class GiveStanding(Request, frozen=True, kw_only=True):
    """Approve an action beforehand. Answered with `StandingShown`. The asker has checked the role."""

    by: PersonId
    role: Role
    action: ActionName
    args: dict[str, str]
    minutes: int
    reason: str = ""
    only_asked: bool = False
    """Whether to say only what would stand, or why nobody may; nothing changes then."""


class RevokeStanding(Request, frozen=True, kw_only=True):
    """End a standing approval at once. Answered with `Done`. The asker has checked the role."""

    standing_id: StandingId
    by: PersonId
    reason: str = ""


class GetStanding(Request, frozen=True, kw_only=True):
    """Say what is approved beforehand. Answered with `StandingList`."""


# ---------------------------------------------------------------- answers


class StandingShown(Answer, frozen=True, kw_only=True):
    """One standing approval."""

    standing_id: StandingId
    by: PersonId
    role: Role
    action: ActionName
    args: dict[str, str]
    until_us: int
    reason: str


class StandingList(Answer, frozen=True, kw_only=True):
    """What is approved beforehand, the next to end first."""

    standing: tuple[StandingShown, ...]


class QuestionTaken(Answer, frozen=True, kw_only=True):
    """A question, or the answer to one, that is in the journal."""

    decision_id: DecisionId
    nth: int
    """Which of this decision's questions it is, from 1."""
    agent: AgentId
    """Whom it is for."""


class HoldAnswer(Answer, frozen=True, kw_only=True):
    """What became of a person's answer to a decision."""

    decision_id: DecisionId
    counted: bool
    """Whether the answer counted; otherwise `reason` says why not."""
    status: DecisionStatus
    """Where the decision stands now."""
    reason: str
    """What happens next, or what it still waits for, in a sentence."""
    undo: EffectId | None = None
    """The taking back that a veto began; `None` when there is nothing to take back."""
    replaced_by: DecisionId | None = None
    """The decision on what a person made of it; `None` unless they changed it."""


class HoldShown(Struct, frozen=True, kw_only=True):
    """One decision that waits for people."""

    decision_id: DecisionId
    since_us: int
    until_us: int
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    episode: EpisodeId
    digest: Digest
    waits: tuple[Wait, ...]
    approved_by: tuple[PersonId, ...]
    effect_id: EffectId | None = None
    """The effect nobody knows the end of; `None` for a decision that waits before anything runs."""
    risk: RiskLevel = RiskLevel.SAFE
    rule: str = ""
    """Every rule that asked for people, in the order of the gates: what one has against it must not hide
    behind another."""


class HoldList(Answer, frozen=True, kw_only=True):
    """What waits for people."""

    holds: tuple[HoldShown, ...]
    more: int
    """How many more wait than are shown."""


class CaptaincyShown(Answer, frozen=True, kw_only=True):
    """Who holds the captaincy. Empty names are nobody."""

    captain: PersonId
    deputy: PersonId
    away: bool
    acting: PersonId
    offered: PersonId
    confirm: bool


class VetoKnown(Answer, frozen=True, kw_only=True):
    """Whether an agent holds the veto."""

    held: bool


class VoterKnown(Answer, frozen=True, kw_only=True):
    """Whether the policy lets somebody vote on a decision."""

    registered: bool


class PollShown(Struct, frozen=True, kw_only=True):
    """One decision that waits for votes."""

    decision_id: DecisionId
    since_us: int
    until_us: int
    """When no more votes are taken."""
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    needed: int
    """How many must agree."""
    of: int
    """How many votes there can be."""
    tally: Tally
    votes: tuple[Vote, ...]
    why_not: str
    """Why the asker may not vote on it; empty when they may."""


class PollList(Answer, frozen=True, kw_only=True):
    """What waits for votes."""

    polls: tuple[PollShown, ...]


CaptaincyRequest = GetCaptaincy | SayOfCaptaincy
QuestionRequest = AskAgent | ReplyToQuestion
VoteRequest = AskVeto | AskVoter | CastVote | GetPolls
VoteAnswer = PollList | VetoKnown | VoterKnown
