"""What goes out about questions: what people asked an agent about what it wants, and what it said."""

from typing import Annotated

from msgspec import Meta, Struct

from engine.commands.standing import Standing
from engine.core.vocabulary.units import time_text
from engine.ports import DecisionsReader
from engine.runtime.questions import questions_of


class QuestionShown(Struct, frozen=True, kw_only=True):
    """One question about a decision."""

    nth: Annotated[int, Meta(description="Which of this decision's questions it is, from 1")]
    by: str
    question: str
    at: str
    answer: Annotated[str | None, Meta(description="Null until the agent has answered")]
    answered_at: str | None


class QuestionTaken(Struct, frozen=True, kw_only=True):
    """A question, or the answer to one, that is in the journal."""

    decision_id: str
    nth: int
    agent: Annotated[str, Meta(description="Whom the question is for")]
    links: dict[str, str]


def questions_about(journal: DecisionsReader, standing: Standing) -> tuple[QuestionShown, ...]:
    """Return what was asked about a decision."""
    if standing.verdict.word != "hold":
        return ()
    return tuple(
        QuestionShown(
            nth=each.nth,
            by=each.by,
            question=each.question,
            at=time_text(each.at_us),
            answer=None if each.answered_us is None else each.answer,
            answered_at=None if each.answered_us is None else time_text(each.answered_us),
        )
        for each in questions_of(journal, standing.verdict.decision_id)
    )


def is_asked(journal: DecisionsReader, standing: Standing) -> bool:
    """Whether its agent is waited for: a question is open that it has not answered."""
    return standing.waits and any(each.answer is None for each in questions_about(journal, standing))
