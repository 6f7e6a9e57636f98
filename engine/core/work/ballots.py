"""Ballots: choosing among alternatives. Two pure rules, each with what it promises and what it does not.

Both count owners, not names: whoever calls them has made sure that one owner gives one ballot. Both are

- anonymous: whose ballot it is makes no difference, only how many say the same;
- neutral: the alternatives' names make no difference; naming them otherwise names the winners otherwise;
- monotone: whoever raises a winner on their ballot, and changes nothing else, does not make it lose.

Neither breaks a tie: all who have the most are returned, in the order in which they were put to the vote.
Chance never decides, and neither does a name.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

_Alternative = TypeVar("_Alternative", bound=str)


class Score(Struct, frozen=True, array_like=True):
    """What an alternative got: `[alternative, points]`."""

    alternative: str
    points: int


class Outcome(Struct, frozen=True, kw_only=True):
    """What a vote among alternatives came to."""

    scores: tuple[Score, ...]
    """Of every alternative, in the order in which they were put to the vote."""
    winners: tuple[str, ...]
    """Those with the most points: more than one is a tie, none means that nobody chose anything."""

    @property
    def winner(self) -> str | None:
        """The one that won; `None` for a tie, and where nobody chose anything."""
        return self.winners[0] if len(self.winners) == 1 else None


def approval(
    alternatives: Sequence[_Alternative],
    ballots: Mapping[str, Sequence[_Alternative]],
    weights: Mapping[str, int] | None = None,
) -> Outcome:
    """Count approvals: each ballot names every alternative its owner could live with, in any order.

    An alternative has a point for each ballot that names it; naming it twice is naming it once, and naming
    what was not put to the vote is naming nothing. A ballot that names nothing, or all, prefers nothing.
    A ballot that `weights` names counts as so many alike.

    Beyond what both rules promise, taking an alternative away that did not win leaves the winners as they
    are, for points of the others do not depend on it. It does not promise that what most people like best
    wins: they may all be able to live with something else.

    >>> approval(["red", "blue"], {"ann": ["red"], "ben": ["red", "blue"], "cat": ["blue"]}).winners
    ('red', 'blue')
    >>> approval(["red", "blue"], {"ann": ["red"], "ben": ["red", "blue"]}).winner
    'red'
    """
    points = dict.fromkeys(alternatives, 0)
    for owner, ballot in ballots.items():
        for alternative in set(ballot):
            if alternative in points:
                points[alternative] += _weight(weights, owner)
    return _outcome(points)


def borda(
    alternatives: Sequence[_Alternative],
    ballots: Mapping[str, Sequence[_Alternative]],
    weights: Mapping[str, int] | None = None,
) -> Outcome:
    """Count ranks: each ballot puts alternatives in order, the best first.

    Among n alternatives the first of a ballot gets 2(n - 1) points, the second 2(n - 2), and so on to 0 for
    the last: twice the classic scores, so that the mean of two neighbours is a whole number. What a ballot
    leaves out shares the mean of the places that are left, so all of a ballot's points are always n(n - 1):
    nobody gains weight by leaving something out. Of what is named twice the first place counts, and what was
    not put to the vote has none. A ballot that `weights` names counts as so many alike.

    Beyond what both rules promise, what loses to every other alternative, one against one, never wins (for
    ballots that leave nothing out). It does not promise that what beats every other one against one wins, nor
    that taking a loser away changes nothing: that is the price of counting how far apart things are.

    >>> borda(
    ...     ["a", "b", "c"], {"ann": ["a", "b", "c"], "ben": ["b", "a", "c"], "cat": ["b", "c", "a"]}
    ... ).scores
    (Score(alternative='a', points=6), Score(alternative='b', points=10), Score(alternative='c', points=2))
    >>> borda(["a", "b", "c"], {"ann": ["a"]}).scores
    (Score(alternative='a', points=4), Score(alternative='b', points=1), Score(alternative='c', points=1))
    """
    points = dict.fromkeys(alternatives, 0)
    most = len(points)
    for owner, ballot in ballots.items():
        weight = _weight(weights, owner)
        ranked = [each for each in dict.fromkeys(ballot) if each in points]
        if not ranked:
            # Who puts nothing in order gives everything the same, which decides nothing.
            continue
        for place, alternative in enumerate(ranked):
            points[alternative] += weight * 2 * (most - 1 - place)
        left = most - len(ranked)
        for alternative in points.keys() - set(ranked):
            # The places left score 2(left - 1) down to 0.
            points[alternative] += weight * (left - 1)
    return _outcome(points)


def _weight(weights: Mapping[str, int] | None, owner: str) -> int:
    return 1 if weights is None else weights.get(owner, 1)


def _outcome(points: Mapping[_Alternative, int]) -> Outcome:
    best = max(points.values(), default=0)
    return Outcome(
        scores=tuple(Score(each, got) for each, got in points.items()),
        winners=tuple(each for each, got in points.items() if got == best) if best else (),
    )
