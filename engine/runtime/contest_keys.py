"""Contest keys: under which keys the journal has what happened between those that want one resource."""

from engine.core.vocabulary.facts import ContestDecided, ContestOpened, ContestUndecided
from engine.core.vocabulary.ids import ContestId


def contests_on(resource: str) -> str:
    """Return what the keys of everything begin with that happened on a resource."""
    return f"contest:{resource}:c_"


def contest_key(fact: ContestOpened | ContestUndecided | ContestDecided) -> str:
    """Return the key of what the engine says of a contest: each of these happens to one once.

    A contest opens anew, as it were, with each one more that comes to stand on its ballot.
    """
    begin = f"contest:{fact.resource}:{fact.contest_id}"
    match fact:
        case ContestOpened():
            return f"{begin}:with:{fact.decisions[-1]}"
        case ContestUndecided():
            return f"{begin}:undecided"
        case ContestDecided():
            return f"{begin}:decided"


def ballot_key(resource: str, contest: ContestId, nth: int) -> str:
    """Return the key of the `nth` ballot or captain's word on a contest, counting from 1."""
    return f"contest:{resource}:{contest}:ballot:{nth}"
