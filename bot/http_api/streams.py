"""Server-sent events: one decision until nothing of it is under way, or everything that happens.

What is sent is read from the journal and numbered by its records, so whoever lost the connection says where
it was (`Last-Event-ID`) and misses nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bot.http_api import answers
from bot.http_api.decisions import DecisionKey
from bot.http_api.document import problems, streamed
from bot.http_api.front import Anybody, Front
from bot.http_api.problems import Problem
from bot.http_api.routing import StrictRoute
from engine.commands.standing import Standing, history_of, standing_of
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import (
    AnswerRefused,
    DecisionOverridden,
    EffectEnded,
    EffectEndTold,
    EffectStarted,
    Fact,
    HoldAnswered,
    HoldEnded,
    KillSwitchCleared,
    KillSwitchSet,
    OutcomeReported,
    ProposalReceived,
    QuestionAsked,
    QuestionReplied,
    UndoRequested,
    VerdictReached,
    VoteCast,
    VoteClosed,
    decode,
    tag_of,
)
from engine.core.vocabulary.ids import DecisionId
from engine.ports import DecisionsReader, Holder

MOST_STREAMS: Final = 16
"""How many one token may have open at once."""
_AT_ONCE: Final = 200
MEDIA_TYPE: Final = "text/event-stream"

LastSeen = Annotated[
    int | None,
    Header(alias="Last-Event-ID", ge=0, le=2**62, description="The id of the last one that was received"),
]


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["streams"])
    open_now: Counter[str] = Counter()

    @router.get(
        "/decisions/{decision_id}/stream",
        operation_id="stream_decision",
        summary="Follow one decision until nothing of it is under way",
        description="Events are `status`, `question` and `answer` where people ask its agent something, and "
        "for what is taken back `undo`. Asked again after the last "
        "one, the answer is 204, at which browsers stop asking.",
        response_class=Response,
        responses={
            **streamed("Changes as they come"),
            204: {"description": "There is nothing after the last one that was received"},
            **problems(404),
        },
    )
    async def one(
        request: Request, holder: Anybody, decision_id: DecisionKey, last: LastSeen = None
    ) -> Response:
        standing = await front.seen(DecisionId(decision_id), holder)
        steps = history_of(front.journal(), standing)
        if standing.settled and last is not None and steps[-1].seq <= last:
            return Response(status_code=204)
        return opened(holder, _decision(front, standing, last or 0, request.state.still_in))

    @router.get(
        "/stream",
        operation_id="stream",
        summary="Follow everything that happens",
        description="Each event is a fact, named by its kind. People see all facts; an agent sees those "
        "about its own proposals, and stops, and one that holds the veto those about any proposal. Begins "
        "now, or after `after` or Last-Event-ID.",
        response_class=Response,
        responses={**streamed("Facts as they come"), **problems()},
    )
    async def everything(
        request: Request,
        holder: Anybody,
        after: Annotated[
            int | None, Query(ge=0, le=2**62, description="A record of the journal to begin after")
        ] = None,
        last: LastSeen = None,
    ) -> Response:
        head = front.journal().head().seq
        given = last if last is not None else after
        # A journal that was replaced by a shorter one would otherwise be waited for in vain.
        start = head if given is None else min(given, head)
        vetoes = await front.holds_veto(holder)
        return opened(holder, _facts(front, holder, start, request.state.still_in, vetoes=vetoes))

    def opened(holder: Holder, lines: AsyncIterator[bytes]) -> Response:
        if open_now[holder.token_id] >= MOST_STREAMS:
            raise Problem(
                "too-many",
                f"{MOST_STREAMS} streams are open with this token",
                cure="close one",
                headers={"Retry-After": "1"},
            )

        async def counted() -> AsyncIterator[bytes]:
            open_now[holder.token_id] += 1
            try:
                async for line in lines:
                    yield line
            finally:
                open_now[holder.token_id] -= 1

        return StreamingResponse(counted(), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})

    return router


async def _decision(
    front: Front, standing: Standing, last: int, still_in: Callable[[], bool]
) -> AsyncIterator[bytes]:
    decision = standing.verdict.decision_id
    alive = _Alive(front.keep_alive_s)
    with front.hearing.about(decision) as flag:
        while True:
            journal = front.journal()
            now = standing_of(journal, decision) or standing
            steps = [
                (step.seq, "undo" if step.undo else "status", answers.encoded(step))
                for step in history_of(journal, now)
            ]
            for seq, name, data in sorted([*steps, *_questions(journal, now)], key=lambda step: step[0]):
                if seq > last:
                    last = seq
                    yield _event(last, name, data)
                    alive.spoke()
            if now.settled or front.hearing.closing or not still_in():
                return
            if alive.due:
                yield b": still here\n\n"
                alive.spoke()
            await front.hearing.wait(flag, at_most_s=alive.left_s)


def _questions(journal: DecisionsReader, standing: Standing) -> list[tuple[int, str, bytes]]:
    """Return what was asked about a decision and what was answered, as it is sent."""
    if standing.verdict.word != "hold":
        return []
    found = []
    for record in journal.with_prefix(f"answer:{standing.verdict.decision_id}:"):
        fact = decode(record.body)
        if isinstance(fact, QuestionAsked | QuestionReplied):
            name = "question" if isinstance(fact, QuestionAsked) else "answer"
            found.append((record.seq, name, record.body))
    return found


async def _facts(
    front: Front, holder: Holder, last: int, still_in: Callable[[], bool], *, vetoes: bool
) -> AsyncIterator[bytes]:
    alive = _Alive(front.keep_alive_s)
    # Said at once, so that whoever listens knows that it does.
    yield b": begins\n\n"
    with front.hearing.about_all() as flag:
        while not front.hearing.closing and still_in():
            journal = front.journal()
            records = list(journal.read(after=last, until=min(last + _AT_ONCE, journal.head().seq)))
            for record in records:
                last = record.seq
                line = _line(journal, record, holder, vetoes=vetoes)
                if line is not None:
                    yield line
                    alive.spoke()
            if len(records) == _AT_ONCE:
                await asyncio.sleep(0)
                continue
            if alive.due:
                yield b": still here\n\n"
                alive.spoke()
            await front.hearing.wait(flag, at_most_s=alive.left_s)


def _line(journal: DecisionsReader, record: Record, holder: Holder, *, vetoes: bool) -> bytes | None:
    fact = decode(record.body)
    # Who may veto any decision hears of all of them, and of nothing else.
    told = vetoes and isinstance(fact, _ABOUT_DECISIONS)
    if holder.kind == "agent" and not told and not _concerns(journal, fact, holder.name):
        return None
    name = tag_of(fact)
    return _event(record.seq, name, b'{"seq":%d,"fact":%b}' % (record.seq, record.body))


def _concerns(journal: DecisionsReader, fact: Fact, agent: str) -> bool:
    """Whether a fact is about an agent's own proposals, or a stop that may cover it."""
    if isinstance(fact, KillSwitchSet | KillSwitchCleared):
        return fact.scope.kind != "agent" or fact.scope.name == agent
    if isinstance(fact, VerdictReached):
        return fact.verdict.agent == agent
    if isinstance(fact, ProposalReceived):
        return fact.proposal.agent == agent
    if isinstance(fact, EffectEnded | EffectEndTold | OutcomeReported):
        return fact.agent == agent
    if isinstance(fact, EffectStarted | UndoRequested | _ABOUT_ANSWERS):
        record = journal.find(f"verdict:{fact.decision_id}")
        decided = decode(record.body) if record is not None else None
        return isinstance(decided, VerdictReached) and decided.verdict.agent == agent
    return False


_ABOUT_ANSWERS: Final = (
    HoldAnswered
    | DecisionOverridden
    | HoldEnded
    | AnswerRefused
    | VoteCast
    | VoteClosed
    | QuestionAsked
    | QuestionReplied
)

_ABOUT_DECISIONS: Final = (
    _ABOUT_ANSWERS
    | ProposalReceived
    | VerdictReached
    | OutcomeReported
    | EffectStarted
    | EffectEnded
    | EffectEndTold
    | UndoRequested
)


def _event(seq: int, name: str, data: bytes) -> bytes:
    # JSON of ours has no line breaks in it, so one line of data is enough.
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (seq, name.encode(), data)


class _Alive:
    """Says when a silent stream should say that it is still there."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self.spoke()

    def spoke(self) -> None:
        """Note that something was sent."""
        self._next_s = asyncio.get_running_loop().time() + self._every_s

    @property
    def left_s(self) -> float:
        """How long one may still be silent; never longer than it takes to look unasked."""
        return min(max(self._next_s - asyncio.get_running_loop().time(), 0.0), 1.0)

    @property
    def due(self) -> bool:
        """Whether it is time to speak."""
        return asyncio.get_running_loop().time() >= self._next_s
