"""What goes out about competing decisions."""

from typing import Annotated

from msgspec import Meta, Struct

from engine.core.vocabulary.competing import Method


class AlternativeShown(Struct, frozen=True, kw_only=True):
    """One decision on a ballot."""

    decision_id: str
    agent: str
    capability: str
    action: str
    points: Annotated[int, Meta(description="What the ballots come to so far")]
    score: Annotated[int, Meta(description="Its priority score: decides where ballots and a captain do not")]
    links: dict[str, str]


class BallotShown(Struct, frozen=True, kw_only=True):
    """One ballot that counts."""

    voter: Annotated[str, Meta(description="A person, or agent:NAME")]
    owner: Annotated[str, Meta(description="Whose ballot it is; one owner has one")]
    choices: tuple[str, ...]
    weight: int


class ContestShown(Struct, frozen=True, kw_only=True):
    """One vote between decisions that want one resource."""

    contest_id: str
    resource: str
    method: Method
    since: str
    until: Annotated[str, Meta(description="When ballots, or then a captain's word, are no more taken")]
    quorum: Annotated[int, Meta(description="How many votes it takes for ballots to decide")]
    alternatives: tuple[AlternativeShown, ...]
    ballots: tuple[BallotShown, ...]
    undecided: Annotated[str, Meta(description="Why a captain is asked; empty while ballots are taken")]
    why_not: Annotated[str, Meta(description="Why you may not vote here; empty when you may")]


class ContestList(Struct, frozen=True, kw_only=True):
    """What is voted on between decisions that want the same, by resource."""

    contests: tuple[ContestShown, ...]


class BallotTaken(Struct, frozen=True, kw_only=True):
    """What a ballot, or a captain's word, led to."""

    contest_id: str
    reason: Annotated[str, Meta(description="What happens next")]
    winner: Annotated[str | None, Meta(description="Who gets the resource; null while nothing is decided")]
