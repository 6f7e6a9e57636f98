"""What people did about decisions, in the past tense, and what came of it."""

from typing import Literal

from msgspec import UNSET, UnsetType

from engine.core.vocabulary.fact import Fact
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EffectId,
    PersonId,
    ProposalId,
    StandingId,
)
from engine.core.vocabulary.voting import Choice

Role = Literal["viewer", "responder", "captain"]
"""What people may do, least first; each includes those before it."""
RANKS: dict[Role, int] = {"viewer": 0, "responder": 1, "captain": 2}

HoldEnding = Literal["approved", "denied", "vetoed", "timeout", "taken", "replaced", "bypassed"]
"""`taken`: a person did it themselves, as it was recommended, or let it run at the agent's own prompt.
`replaced`: a person approved it with changes, and what they made of it was proposed in its place. `bypassed`:
its agent did it and did not wait."""


class HoldAnswered(Fact, tag="hold_answered", frozen=True, kw_only=True):
    """A person answered a decision that waits for people. `HoldEnded` or `AnswerRefused` may follow."""

    decision_id: DecisionId
    by: PersonId
    role: Role
    answer: Literal["approve", "deny", "did"]
    """`did`: the person did it themselves; only what is recommended can be answered so."""
    digest: Digest
    """Of the action and arguments the person was shown."""
    reason: str = ""
    stepped_up: bool = False
    """Whether the person gave a one-time code with it."""


class VoteCast(Fact, tag="vote_cast", frozen=True, kw_only=True):
    """Somebody voted on a decision that waits for votes, or changed their vote: the last one counts.

    `HoldEnded` or `AnswerRefused` may follow.
    """

    decision_id: DecisionId
    voter: PersonId
    """A person, or `agent:NAME`."""
    owner: PersonId
    """Whose vote it is: all names of one owner have one together."""
    choice: Choice
    weight: int = 1
    """How many votes it counts as."""
    rationale: str = ""


class VoteClosed(Fact, tag="vote_closed", frozen=True, kw_only=True):
    """The deadline of a vote passed with fewer votes than it takes: a captain decides, or nobody does."""

    decision_id: DecisionId
    reason: str


class DecisionOverridden(Fact, tag="decision_overridden", frozen=True, kw_only=True):
    """A captain overruled one decision: `veto` stops it for good, `allow` ends what it waits for."""

    decision_id: DecisionId
    by: PersonId
    word: Literal["veto", "allow"]
    reason: str = ""
    stepped_up: bool = False
    """Whether the captain gave a one-time code with it."""


class HoldEnded(Fact, tag="hold_ended", frozen=True, kw_only=True):
    """A decision waits no longer. It happens to each once, and once to each effect of unknown end."""

    decision_id: DecisionId
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    how: HoldEnding
    by: tuple[PersonId, ...] = ()
    """Whose answers ended it; nobody's when its time was over."""
    reason: str = ""
    effect_id: EffectId | None = None
    """The effect that was held because nobody knew its end: nothing runs then, whatever was answered. `None`
    for a decision that waited before anything ran."""
    replaced_by: DecisionId | UnsetType = UNSET
    """The decision on what was proposed in its place; set exactly where it was replaced."""


class QuestionAsked(Fact, tag="question_asked", frozen=True, kw_only=True):
    """A person wants to know more of the agent before they decide. It stops no clock."""

    decision_id: DecisionId
    nth: int
    """Which of this decision's questions it is, from 1."""
    by: PersonId
    question: str


class QuestionReplied(Fact, tag="question_replied", frozen=True, kw_only=True):
    """The agent that proposed it answered a question about it."""

    decision_id: DecisionId
    nth: int
    agent: AgentId
    answer: str


class AnswerRefused(Fact, tag="answer_refused", frozen=True, kw_only=True):
    """An answer did not count, and why."""

    decision_id: DecisionId
    by: PersonId
    reason: str


Rating = Literal["useful", "wrong", "late"]


class DecisionRated(Fact, tag="decision_rated", frozen=True, kw_only=True):
    """A person said what a decision was worth. Said again, the last word counts."""

    decision_id: DecisionId
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    by: PersonId
    rating: Rating
    """`late`: it may have been right, but came too late to be of use."""
    reason: str = ""
    confidence: float | None = None
    """What the agent claimed; `None` where it claimed nothing, and where nothing of it ran: then the rating
    says nothing of its confidence."""
    rule: str = ""
    """The rule of policy that fired on it; empty when none did."""

    def __post_init__(self) -> None:
        """Refuse a confidence that no proposal can have."""
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence must be from 0 to 1, not {self.confidence}")


class StandingGiven(Fact, tag="standing_given", frozen=True, kw_only=True):
    """A person approved beforehand what one action does, for a while."""

    standing_id: StandingId
    by: PersonId
    role: Role
    action: ActionName
    args: dict[str, str]
    """What arguments must be, by name; a `*` at the end takes every ending."""
    until_us: int
    policy_hash: Digest
    """It holds under this policy alone."""
    reason: str = ""


class StandingEnded(Fact, tag="standing_ended", frozen=True, kw_only=True):
    """A standing approval stands no longer."""

    standing_id: StandingId
    action: ActionName
    how: Literal["expired", "revoked"]
    by: PersonId = PersonId("")
    """Who revoked it; nobody where its time was over."""
    reason: str = ""


class CaptaincyBegun(Fact, tag="captaincy_begun", frozen=True, kw_only=True):
    """The configuration named who is captain, and who the deputy. Empty names are nobody."""

    captain: PersonId
    deputy: PersonId


class CaptaincyOffered(Fact, tag="captaincy_offered", frozen=True, kw_only=True):
    """Who acts as captain wants to hand it over; whoever receives it has not answered."""

    by: PersonId
    to: PersonId
    reason: str = ""


class CaptaincyPassed(Fact, tag="captaincy_passed", frozen=True, kw_only=True):
    """Another person is captain now."""

    by: PersonId
    """Who held it, or acted for them."""
    to: PersonId
    reason: str = ""


class CaptaincyDeclined(Fact, tag="captaincy_declined", frozen=True, kw_only=True):
    """An offer of the captaincy came to nothing: it was declined, or taken back."""

    by: PersonId
    reason: str = ""


class CaptainAway(Fact, tag="captain_away", frozen=True, kw_only=True):
    """The captain was declared away, so that the deputy acts, or back."""

    by: PersonId
    away: bool
    reason: str = ""


class DeputyNamed(Fact, tag="deputy_named", frozen=True, kw_only=True):
    """Somebody else acts from now on while the captain is away."""

    by: PersonId
    deputy: PersonId


class CommandGiven(Fact, tag="command_given", frozen=True, kw_only=True):
    """Somebody gave a command at a front-end. What changes anything is journaled twice: begun, and ended."""

    command: str
    """In the command language, secrets taken out: `canary promote heal@2`."""
    by: str
    """The person, or `stranger:` and a digest of the account nobody is linked to."""
    front: str
    """Where: `discord`, `slack`, `terminal`, `web`."""
    outcome: Literal["begun", "done", "refused", "forbidden", "failed"]
    detail: str = ""
