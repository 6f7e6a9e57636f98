"""Questions about what waits: people ask the agent for more before they decide, and it answers.

A question stops no clock. What waits ends when it would have ended without one, so whoever wants more time
than that has it proposed anew; and no answer is taken once it waits no longer.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from engine.core.vocabulary.facts import Fact, QuestionAsked, QuestionReplied
from engine.core.vocabulary.ids import AgentId, PersonId
from engine.core.work.hold import Hold

MOST: Final = 20
"""How many questions one decision takes: whoever has more should deny it and talk."""
_GONE: Final = "it does not wait for people any more"


class Question(Struct, frozen=True, kw_only=True):
    """One question, and what the agent said to it."""

    nth: int
    """Which of this decision's questions it is, from 1."""
    by: PersonId
    question: str
    at_us: int
    answer: str = ""
    """Empty until the agent has answered."""
    answered_us: int | None = None


def gather(facts: Iterable[Fact]) -> tuple[Question, ...]:
    """Put the facts of one decision, in the order of the journal, into its questions."""
    found: dict[int, Question] = {}
    for fact in facts:
        if isinstance(fact, QuestionAsked):
            found[fact.nth] = Question(nth=fact.nth, by=fact.by, question=fact.question, at_us=fact.at_us)
        elif isinstance(fact, QuestionReplied) and (asked := found.get(fact.nth)) is not None:
            found[fact.nth] = Question(
                nth=asked.nth,
                by=asked.by,
                question=asked.question,
                at_us=asked.at_us,
                answer=fact.answer,
                answered_us=fact.at_us,
            )
    return tuple(found.values())


def objection_to_question(hold: Hold | None, asked: tuple[Question, ...], at_us: int) -> str:
    """Say why nobody asks about a decision now; empty when somebody may."""
    if hold is None or not hold.is_open(at_us):
        return _GONE
    if hold.effect_id is not None:
        return "it ran already: what is known of it stands in its result"
    if len(asked) >= MOST:
        return f"{MOST} questions were asked about it already; deny it, with what is missing"
    return ""


def objection_to_reply(
    hold: Hold | None, asked: tuple[Question, ...], agent: AgentId, nth: int, at_us: int
) -> str:
    """Say why an agent's answer is not taken; empty when it is."""
    if hold is None or not hold.is_open(at_us) or hold.effect_id is not None:
        return _GONE
    if hold.agent != agent:
        return f"the question is for {hold.agent}"
    question = next((each for each in asked if each.nth == nth), None)
    if question is None:
        return f"nobody asked a question {nth}"
    if question.answered_us is not None:
        return f"question {nth} is answered already"
    return ""
