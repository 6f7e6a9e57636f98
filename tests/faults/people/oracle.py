"""The oracle: what must not happen, judged by what people said and by nothing the engine thinks of it.

It keeps a book of its own: who, the person and not the account, said what about which decision, when, and
shown what; which stops stood; what workers really began. A word whose answer was lost in a crash may have
counted or not, so it speaks for running and against nothing. What it demands of each kind of decision is
written down here, and is not read from any policy.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import Any, Final, Literal

from msgspec import Struct

from engine.core.vocabulary.units import MINUTE_US

HOLD_US: Final = 60 * MINUTE_US
VOTING_US: Final = 40 * MINUTE_US
VOTES: Final = 3
RANK: Final = {"viewer": 0, "responder": 1, "captain": 2}


class Demand(Struct, frozen=True, kw_only=True):
    """What must have been said before a decision of one kind runs."""

    people: int = 0
    role: str = "responder"
    without_owner: bool = False
    code: bool = False
    votes: int = 0


DEMANDS: Final = {
    "free": Demand(),
    "one": Demand(people=1),
    "two": Demand(people=2, without_owner=True),
    "votes": Demand(votes=VOTES),
    "both": Demand(votes=VOTES, people=1, role="captain"),
    "class-a": Demand(people=2, without_owner=True, code=True),
}


class Asked(Struct, kw_only=True):
    """One decision."""

    kind: str
    agent: str
    owner: str
    args: dict[str, Any]
    at_us: int
    policy: int
    again: bool
    """Whether it may be begun anew when its worker went silent."""


class Word(Struct, kw_only=True):
    """What somebody said about a decision."""

    by: str
    """The person, or whose agent it is."""
    role: str
    word: Literal["approve", "deny", "for", "against", "abstain", "allow", "veto"]
    at_us: int
    policy: int
    batch: int
    """Words of one batch were said at once, in whatever order."""
    code: bool = False
    right: bool = True
    """Whether it was said of just what was shown."""
    state: Literal["under way", "counted", "refused", "lost"] = "under way"


class Broken(AssertionError):
    """Something happened that must not."""


class Oracle:
    """The book."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.asked: dict[str, Asked] = {}
        self.words: dict[str, list[Word]] = {}
        self.vetoed: dict[str, str] = {}
        self.denied: dict[str, str] = {}
        self.stops: dict[Any, str] = {}
        self.began: dict[str, list[int]] = {}
        self.noted: set[str] = set()
        """What the disk says began: in a crash the worker may not have heard that it may."""
        self.ended: set[str] = set()
        self.silent: set[int] = set()
        """Tokens of workers that went silent."""
        self.counts: Counter[str] = Counter()

    def say(self, decision: str, word: Word) -> Word:
        """Write down that somebody is saying it."""
        self.words.setdefault(decision, []).append(word)
        return word

    def settle(self, decision: str, word: Word, state: Any) -> None:
        """Write down what was answered."""
        word.state = state
        if state == "counted":
            self.counts[f"counted {word.word}"] += 1
            if word.word == "veto":
                self.vetoed.setdefault(decision, word.by)
            if word.word == "deny":
                self.denied.setdefault(decision, word.by)

    # ------------------------------------------------------------ what runs

    def before(self, task: Any) -> str:
        """Say what stands against beginning at this moment, whatever comes later; empty when nothing does."""
        if task.kind != "perform":
            return ""
        if task.decision_id in self.vetoed:
            return f"it was vetoed by {self.vetoed[task.decision_id]}"
        if task.decision_id in self.denied:
            return f"it was denied by {self.denied[task.decision_id]}"
        for scope, by in self.stops.items():
            if scope.covers(task.agent, task.capability, task.action):
                return f"{by} had stopped {scope}"
        return ""

    def begins(self, task: Any, against: str, args: dict[str, Any]) -> None:
        """Judge what a worker was just allowed to begin. Raises `Broken`."""
        effect, decision = task.effect_id, task.decision_id
        hold(not against, f"{effect} began though {against}")
        earlier = self.began.setdefault(effect, [])
        if task.token not in earlier:
            again = task.kind == "perform" and self.asked[decision].again
            hold(effect not in self.ended, f"{effect} began again after its end")
            hold(not earlier or (again and earlier[-1] in self.silent), f"{effect} ran twice")
            earlier.append(task.token)
        if task.kind == "perform":
            hold(args == self.asked[decision].args, f"{effect} runs with {args}, which nobody was shown")
            lacks = self.lacks(decision)
            hold(not lacks, f"{effect} began though {lacks}")
            self.counts[f"ran {self.asked[decision].kind}"] += 1
        else:
            hold(decision in self.noted, f"{effect} takes back what never began")
            self.counts["undone"] += 1

    def lacks(self, decision: str) -> str:
        """Say what a decision's kind demands and nobody said; empty when all was said."""
        asked = self.asked[decision]
        demand = DEMANDS[asked.kind]
        said = [
            word
            for word in self.words.get(decision, [])
            if word.state != "refused"
            and word.at_us < asked.at_us + HOLD_US
            and word.policy == asked.policy
            and word.right
        ]
        captains = {
            word.by
            for word in said
            if word.word == "allow" and word.role == "captain" and (word.code or not demand.code)
        }
        approved = {
            word.by
            for word in said
            if word.word == "approve"
            and RANK[word.role] >= RANK[demand.role]
            and not (demand.without_owner and word.by == asked.owner)
            and (word.code or not demand.code)
        }
        if demand.code:
            captains = {captain for captain in captains if captain != asked.owner and approved - {captain}}
        if captains:
            return ""
        if len(approved) < demand.people:
            return f"only {sorted(approved)} approved it, and it takes {demand.people} of {demand.role}s"
        if demand.votes and not _carried(asked, demand, said):
            return f"no {demand.votes} owners were for it at once"
        return ""


def _carried(asked: Asked, demand: Demand, said: list[Word]) -> bool:
    """Whether enough owners were for it at any moment before the deadline."""
    votes = [word for word in said if word.word in {"for", "against", "abstain"}]
    votes = [word for word in votes if word.at_us < asked.at_us + VOTING_US and word.by != asked.owner]
    agreed: set[str] = set()
    for _, batch in groupby(votes, key=lambda word: word.batch):
        at_once = list(batch)
        # Of what was said at once nobody knows the order: whoever said for among other things may be for it
        # then and afterwards. A lost word against it may never have arrived.
        agreed |= {word.by for word in at_once if word.word == "for"}
        if len(agreed) >= demand.votes:
            return True
        withdrew = {word.by for word in at_once if word.word != "for" and word.state == "counted"}
        agreed -= withdrew - {word.by for word in at_once if word.word == "for"}
    return False


def hold(true: object, otherwise: str) -> None:
    """Raise `Broken` unless something is true."""
    if not true:
        raise Broken(otherwise)
