"""What happened between proposals that want one resource, in the past tense."""

from typing import Literal

from msgspec import Struct

from engine.core.vocabulary.competing import Method
from engine.core.vocabulary.fact import Fact
from engine.core.vocabulary.ids import ContestId, DecisionId, PersonId

ContestEnding = Literal["vote", "captain", "override", "priority", "failsafe", "alone"]
"""What decided: the ballots, a captain who settled it or overruled it, the priority score, nothing of these,
or that only one was left."""


class Points(Struct, frozen=True, array_like=True):
    """What one alternative got: `[decision_id, points]`."""

    decision_id: DecisionId
    points: int


class ContestOpened(Fact, tag="contest_opened", frozen=True, kw_only=True):
    """Several held decisions want one resource, and were put to a vote; or one more came to them."""

    contest_id: ContestId
    resource: str
    decisions: tuple[DecisionId, ...]
    """All that stand on the ballot now, the longest waiting first; the last of them is new."""
    method: Method
    until_us: int
    """When no more ballots are taken. One more that comes does not move it."""


class BallotCast(Fact, tag="ballot_cast", frozen=True, kw_only=True):
    """Somebody voted among those that compete, or changed their ballot: the last one counts.

    `BallotRefused` or `ContestDecided` may follow.
    """

    contest_id: ContestId
    resource: str
    decisions: tuple[DecisionId, ...]
    """What stood on the ballot."""
    voter: PersonId
    """A person, or `agent:NAME`."""
    owner: PersonId
    """Whose ballot it is: all names of one owner have one together."""
    choices: tuple[DecisionId, ...]
    """What they could live with, or the best first; none abstains."""
    weight: int = 1
    rationale: str = ""


class BallotRefused(Fact, tag="ballot_refused", frozen=True, kw_only=True):
    """A ballot, or a captain's word on a contest, did not count, and why."""

    contest_id: ContestId
    resource: str
    decisions: tuple[DecisionId, ...]
    by: PersonId
    reason: str


class ContestUndecided(Fact, tag="contest_undecided", frozen=True, kw_only=True):
    """The ballots decided nothing: a tie, or too few of them. A captain is asked."""

    contest_id: ContestId
    resource: str
    decisions: tuple[DecisionId, ...]
    tied: tuple[DecisionId, ...]
    """Between which it is still open."""
    until_us: int
    """How long a captain may settle it."""
    reason: str


class ContestSettled(Fact, tag="contest_settled", frozen=True, kw_only=True):
    """A captain said which of those that compete it is. `ContestDecided` or `BallotRefused` follows."""

    contest_id: ContestId
    resource: str
    decisions: tuple[DecisionId, ...]
    choice: DecisionId
    by: PersonId
    reason: str = ""


class ContestDecided(Fact, tag="contest_decided", frozen=True, kw_only=True):
    """It is said which of those that compete gets the resource, and by what."""

    contest_id: ContestId
    resource: str
    decisions: tuple[DecisionId, ...]
    how: ContestEnding
    winner: DecisionId | None
    """`None` when nothing decided between them."""
    reason: str
    """The whole way there, in sentences."""
    scores: tuple[Points, ...] = ()
    """What each got by the votes or, where that decided, as its priority score."""


ContestFact = ContestOpened | BallotCast | BallotRefused | ContestUndecided | ContestSettled | ContestDecided
