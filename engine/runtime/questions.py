"""Questions as the engine takes them: people ask an agent about what it wants, and it answers."""

import asyncio
from collections.abc import Callable
from itertools import count

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import DecisionId
from engine.core.work.questions import Question, gather, objection_to_question, objection_to_reply
from engine.errors import InputError
from engine.ports import Announcer, JournalReader
from engine.runtime import wire
from engine.runtime.intake import Intake
from engine.runtime.outbox import answer_key, verdict_of


def questions_of(journal: JournalReader, decision: DecisionId) -> tuple[Question, ...]:
    """Return what was asked about a decision, in the order in which it was asked."""
    facts = []
    for nth in count(1):
        record = journal.find(answer_key(decision, nth))
        if record is None:
            break
        facts.append(f.decode(record.body))
    return gather(facts)


class QuestionKeeper:
    """Takes questions and their answers."""

    def __init__(
        self,
        intake: Intake,
        now_us: Callable[[], int],
        announcer: Announcer,
        one: asyncio.Lock,
        free_key: Callable[[DecisionId], str],
    ) -> None:
        """Share the lock and the keys of everything that is said of decisions."""
        self._intake, self._now_us, self._announcer = intake, now_us, announcer
        self._one, self._free_key = one, free_key

    async def ask(self, request: wire.AskAgent) -> wire.QuestionTaken:
        """Take a question. Raises `InputError` when nobody asks about that decision now."""
        async with self._one:
            verdict = verdict_of(self._intake.journal, request.decision_id)
            asked, now_us = questions_of(self._intake.journal, request.decision_id), self._now_us()
            hold = self._intake.state.holds.by_id.get(request.decision_id)
            if against := objection_to_question(hold, asked, now_us):
                raise InputError(against, place=request.decision_id, cure="/decisions shows what waits")
            fact = f.QuestionAsked(
                at_us=now_us,
                decision_id=request.decision_id,
                nth=len(asked) + 1,
                by=request.by,
                question=request.question,
            )
            await self._intake.take(self._free_key(request.decision_id), fact)
        return wire.QuestionTaken(decision_id=request.decision_id, nth=fact.nth, agent=verdict.agent)

    async def reply(self, request: wire.ReplyToQuestion) -> wire.QuestionTaken:
        """Take an agent's answer. Raises `InputError` when it comes too late, or to nothing."""
        async with self._one:
            verdict = verdict_of(self._intake.journal, request.decision_id)
            asked, now_us = questions_of(self._intake.journal, request.decision_id), self._now_us()
            hold = self._intake.state.holds.by_id.get(request.decision_id)
            against = objection_to_reply(hold, asked, request.agent, request.nth, now_us)
            if against:
                raise InputError(against, place=request.decision_id, cure="see `questions` of the decision")
            fact = f.QuestionReplied(
                at_us=now_us,
                decision_id=request.decision_id,
                nth=request.nth,
                agent=request.agent,
                answer=request.answer,
            )
            await self._intake.take(self._free_key(request.decision_id), fact)
        told = f"{request.agent} answered {asked[request.nth - 1].by} about {request.decision_id}"
        self._announcer.announce("waiting", f"{told} ({verdict.action}): {request.answer}")
        return wire.QuestionTaken(decision_id=request.decision_id, nth=request.nth, agent=verdict.agent)
