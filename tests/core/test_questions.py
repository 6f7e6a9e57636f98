"""People ask the agent about what waits: who may, how often, and that it stops no clock."""

import pytest
from msgspec import structs

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import DAY_US, SECOND_US
from engine.core.work.questions import MOST, gather, objection_to_question, objection_to_reply
from tests.answers import HELD, held, told
from tests.builders import NOON_US


def asked(nth=1, after_us=SECOND_US):
    return f.QuestionAsked(at_us=NOON_US + after_us, decision_id=HELD, nth=nth, by="ann", question="why?")


def replied(nth=1, agent="coder-1"):
    return f.QuestionReplied(
        at_us=NOON_US + 2 * SECOND_US, decision_id=HELD, nth=nth, agent=agent, answer="so"
    )


def hold_of(state):
    return state.holds.by_id[HELD]


def test_questions_stand_with_their_answers():
    first, second = gather([asked(1), asked(2), replied(1)])
    assert (first.question, first.answer, first.answered_us) == ("why?", "so", NOON_US + 2 * SECOND_US)
    assert (second.answer, second.answered_us) == ("", None)


def test_a_question_and_its_answer_change_nothing_of_what_waits():
    state = held()
    before = hold_of(state)
    assert told(state, asked()).facts == told(state, replied()).facts == ()
    assert hold_of(state) == before, "not even when it ends"
    over = told(state, f.TimePassed(at_us=before.until_us, schedule="minute"))
    assert [each.how for each in over.facts] == ["timeout"]


@pytest.mark.parametrize(
    ("state", "at_us", "many", "because"),
    [
        (held(), NOON_US, 0, ""),
        (held(), NOON_US, MOST - 1, ""),
        (held(), NOON_US, MOST, "20 questions were asked"),
        (held(), NOON_US + DAY_US, 0, "does not wait"),
        (held(shadowed=True), NOON_US, 0, "does not wait"),
    ],
    ids=["open", "one more", "too many", "over", "in shadow"],
)
def test_a_question_is_taken_while_it_waits(state, at_us, many, because):
    questions = gather(asked(nth) for nth in range(1, many + 1))
    said = objection_to_question(hold_of(state), questions, at_us)
    assert said.startswith(because) if not because else because in said
    assert bool(said) == bool(because)


def test_nothing_is_asked_of_what_never_waited_or_ran_already():
    assert objection_to_question(None, (), NOON_US)
    ran = structs.replace(hold_of(held()), effect_id="d_1")
    assert "ran already" in objection_to_question(ran, (), NOON_US)
    assert objection_to_reply(ran, gather([asked()]), "coder-1", 1, NOON_US)


@pytest.mark.parametrize(
    ("facts", "agent", "nth", "after_us", "because"),
    [
        ([asked()], "coder-1", 1, 0, ""),
        ([asked()], "coder-2", 1, 0, "the question is for coder-1"),
        ([asked()], "coder-1", 2, 0, "nobody asked a question 2"),
        ([asked(), replied()], "coder-1", 1, 0, "answered already"),
        ([asked()], "coder-1", 1, DAY_US, "does not wait"),
    ],
    ids=["its own", "another's", "none", "twice", "late"],
)
def test_an_answer_is_taken_once_from_whom_it_is_asked(facts, agent, nth, after_us, because):
    said = objection_to_reply(hold_of(held()), gather(facts), agent, nth, NOON_US + after_us)
    assert because in said
    assert bool(said) == bool(because)
