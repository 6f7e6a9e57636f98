"""Mutants: engines and desks that get wrong what they must not. The oracle must notice every one."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from msgspec import structs

from engine.adapters.tasks_memory import MemoryTasks
from engine.commands.desk import Desk
from engine.core.work import answers, hold, holds
from engine.runtime import leases
from engine.runtime.answers import AnswerKeeper
from engine.runtime.live import Live


def _nothing(*_given: Any) -> None:
    return None


async def _not_ended(*_given: Any) -> None:
    return None


async def _not_carried_out(*_given: Any) -> tuple[None, str]:
    return None, ""


def _each_account(self: Desk, account: Any, *, real: Any = Desk.identify) -> Any:
    asker = real(self, account)
    return asker and structs.replace(asker, person=f"{asker.person}-at-{account.front}")


def _without(words: str, objections: str = "_objections") -> Callable[..., Any]:
    """An engine that has nothing of this kind against an answer."""
    real = getattr(hold, objections)

    def lenient(hold: Any, fact: Any) -> Iterator[str]:
        return (said for said in real(hold, fact) if words not in said)

    return lenient


async def _always_again(self: leases.Leases, task: Any) -> None:
    self._intake.journal.tasks.requeue(task.effect_id)


async def _remembering(self: Live, request: Any, *, real: Any = Live.propose) -> Any:
    _NEWEST[request.proposal.proposal_id] = request.proposal
    return await real(self, request)


def _newest(journal: Any, verdict: Any) -> Any:
    return _NEWEST[verdict.proposal_id]


_NEWEST: dict[str, Any] = {}
"""What was sent last under each proposal's id."""


async def _again(self: Desk, said: Any, account: Any, key: str, *, real: Any = Desk.give) -> Any:
    return await real(self, said, account, f"{key}#{next(_NUMBERS)}")


_NUMBERS = itertools.count()


def _leased_is_begun(self: MemoryTasks, *given: Any, real: Any = MemoryTasks.claim, **named: Any) -> Any:
    return [self._put(task, attempts=task.attempts + 1) for task in real(self, *given, **named)]


def _deaf_to_denials(known: Any, fact: Any, grounds: Any, *, real: Any = answers.after) -> Any:
    return ((), ()) if getattr(fact, "answer", "") == "deny" else real(known, fact, grounds)


MUTANTS: dict[str, tuple[tuple[Any, str, Any], ...]] = {
    "starts after a veto": (
        (leases, "veto_of", _nothing),
        (leases.Leases, "end_vetoed", _not_ended),
    ),
    "takes back nothing after a veto": ((AnswerKeeper, "_carry_out", _not_carried_out),),
    "takes back what was leased and never begun": ((MemoryTasks, "claim", _leased_is_begun),),
    "accepts what was shown of another": ((hold, "_objections", _without("what was shown")),),
    "counts accounts for people": ((Desk, "identify", _each_account),),
    "counts the owner": ((hold.Hold, "is_owner", lambda *_: False),),
    "asks for no code": ((hold, "_objections", _without("one-time code")),),
    "counts late answers": ((hold, "_objections", _without("its time was over")),),
    "counts votes of one owner twice": (
        (hold, "_objections_to_vote", _without("one owner has one vote", "_objections_to_vote")),
        (holds, "put", lambda votes, vote: (*votes, vote)),
    ),
    "goes on after a changed policy": (
        (answers, "_standing_against", lambda *_: ""),
        (answers, "outdated", lambda *_: ()),
    ),
    "starts behind a fence": ((leases, "covering", lambda *_: None),),
    "starts again what a silent worker had begun": ((leases.Leases, "_take_back", _always_again),),
    "gives a command as often as it is delivered": ((Desk, "give", _again),),
    "runs a changed proposal": ((Live, "propose", _remembering), (leases, "proposal_of", _newest)),
    "loses a denial": ((answers, "after", _deaf_to_denials),),
}
"""What each replaces."""


@contextlib.contextmanager
def mutated(name: str) -> Iterator[None]:
    """Work with a mutant until the block ends."""
    with contextlib.ExitStack() as stack:
        for owner, what, by in MUTANTS[name]:
            stack.enter_context(patch.object(owner, what, by))
        yield
