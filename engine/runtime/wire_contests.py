"""The wire: the votes between decisions that want one resource."""

from msgspec import Struct

from engine.core.vocabulary.competing import Ballot, Method
from engine.core.vocabulary.contest_facts import Points
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, ContestId, DecisionId, PersonId
from engine.runtime.wire_words import Answer, Request


class CastBallot(Request, frozen=True, kw_only=True):
    """Vote among those that compete. Answered with `ContestAnswer`. The asker has checked who it is."""

    about: DecisionId
    """Any of those that stand on the ballot."""
    voter: PersonId
    """A person, or `agent:NAME`."""
    choices: tuple[DecisionId, ...]
    """What they could live with, or the best first; none abstains."""
    rationale: str = ""
    owner: PersonId | None = None
    """Whose agent the voter is, as its token has it; `None` where it names nobody."""


class SettleContest(Request, frozen=True, kw_only=True):
    """Say which of those that compete it is, where the ballots left it open. Answered with `ContestAnswer`.

    The asker has checked that `by` is a captain.
    """

    choice: DecisionId
    by: PersonId
    reason: str = ""


class GetContests(Request, frozen=True, kw_only=True):
    """Say what is being voted on between those that compete. Answered with `ContestList`."""

    voter: PersonId
    """Whose eye it is seen with: it says where they may vote."""
    owner: PersonId | None = None
    """As in `CastBallot`."""


class ContestAnswer(Answer, frozen=True, kw_only=True):
    """What became of a ballot, or of a captain's word on a contest."""

    counted: bool
    """Whether it counted; otherwise `reason` says why not."""
    reason: str
    """What happens next, in a sentence."""
    contest_id: ContestId = ContestId("")
    """Empty where there is no contest."""
    winner: DecisionId | None = None
    """Who gets the resource; `None` while nothing is decided."""


class AlternativeShown(Struct, frozen=True, kw_only=True):
    """One decision on a ballot."""

    decision_id: DecisionId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    score: int
    """Its priority score: what decides where neither ballots nor a captain do."""


class ContestShown(Struct, frozen=True, kw_only=True):
    """One vote between decisions that want one resource."""

    contest_id: ContestId
    resource: str
    method: Method
    since_us: int
    until_us: int
    """When no more ballots are taken; after that, when a captain's time is over."""
    quorum: int
    alternatives: tuple[AlternativeShown, ...]
    ballots: tuple[Ballot, ...]
    """Those that count."""
    points: tuple[Points, ...]
    """What they come to so far."""
    undecided: str
    """Why a captain is asked; empty while ballots are taken."""
    why_not: str
    """Why the asker may not vote here; empty when they may."""


class ContestList(Answer, frozen=True, kw_only=True):
    """What is being voted on between those that compete, by resource."""

    contests: tuple[ContestShown, ...]


ContestRequest = CastBallot | SettleContest | GetContests
ContestReply = ContestAnswer | ContestList
