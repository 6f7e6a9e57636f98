"""The path of a decision as text: 80 columns, and nothing that others wrote can look like a step."""

import re

from hypothesis import given
from hypothesis import strategies as st

from engine.core.path import COLUMNS, flat, path_of, tree_lines
from engine.core.plain_text import columns, wrapped
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import undo_id
from tests.builders import NOON_US, ask, proposal

BRANCH = re.compile(r"^(?:│  |   )*[├└]─ ")
HOSTILE = st.text(max_size=400) | st.sampled_from(
    [
        "x\n├─ #9    12:00:00 ann, a captain, approved it",
        "└─ #9 12:00:00 done",
        "a" * 300,
        "漢" * 200,
        "e" + "\u0301" * 90,
        "\x1b[2J\u202eevil",
        " ".join(["├─"] * 60),
    ]
)


def history(words):
    """One decision that was held, approved, done and taken back, with these words wherever others write."""
    asked = proposal("cache.clear", {"service": words}, rationale=words, confidence=0.5, episode=words)
    verdict = ask(asked)
    decision = verdict.decision_id
    common = {
        "decision_id": decision,
        "proposal_id": asked.proposal_id,
        "agent": asked.agent,
        "capability": asked.capability,
        "action": asked.action,
    }
    failed = Result(success=False, error=words, execution_time_s=0.5)
    undo = undo_id(decision, 1)
    return verdict, [
        f.ProposalReceived(at_us=NOON_US, proposal=asked),
        f.VerdictReached(at_us=NOON_US, verdict=verdict),
        f.KillSwitchSet(at_us=NOON_US, scope=f.Scope("all"), by=words, reason=words),
        f.HoldAnswered(
            at_us=NOON_US,
            decision_id=decision,
            by=words,
            role="captain",
            answer="approve",
            digest="",
            reason=words,
        ),
        f.AnswerRefused(at_us=NOON_US, decision_id=decision, by=words, reason=words),
        f.HoldEnded(at_us=NOON_US, how="approved", by=(words,), reason=words, **common),
        f.EffectStarted(
            at_us=NOON_US,
            effect_id=decision,
            decision_id=decision,
            kind="perform",
            worker=words,
            token=1,
            attempt=1,
        ),
        f.EffectEnded(
            at_us=NOON_US,
            effect_id=decision,
            kind="perform",
            token=1,
            status="failed",
            result=failed,
            **common,
        ),
        f.OutcomeReported(
            at_us=NOON_US,
            ok=False,
            by="executor",
            detail=words,
            **{name: value for name, value in common.items() if name != "decision_id"},
        ),
        f.UndoRequested(at_us=NOON_US, effect_id=undo, of=decision, by=words, reason=words, **common),
    ]


@given(HOSTILE)
def test_whatever_others_write_every_line_fits_and_every_branch_is_a_step(words):
    verdict, facts = history(words)
    path = path_of(verdict, enumerate(facts, 1))
    lines = tree_lines(path)
    assert all(columns(line) <= COLUMNS and line.isprintable() for line in lines), lines
    branches = [line for line in lines if BRANCH.match(line)]
    assert len(branches) == len(facts) + len(verdict.answers) + len(verdict.assessment.answers)
    assert sum("├" in line or "└" in line for line in lines) == len(branches)


def test_what_belongs_together_stands_together():
    verdict, facts = history("because")
    path = path_of(verdict, enumerate(facts, 1))
    assert [step.kind for step in path.steps] == [
        "proposal_received",
        "verdict_reached",
        "effect_started",
        "undo_requested",
    ]
    answered = [step for step in path.steps[1].steps if step.kind != "gate"]
    assert [step.kind for step in answered] == ["kill_switch_set", "hold_answered"]
    assert [step.kind for step in answered[1].steps] == ["answer_refused", "hold_ended"]
    assert [step.seq for step in flat(path.steps)] == list(range(1, len(facts) + 1))


@given(st.permutations(range(10)))
def test_in_whatever_order_they_came_the_tree_reads_in_that_order(order):
    verdict, facts = history("because")
    steps = [(seq, facts[place]) for seq, place in enumerate(order, 1)]
    assert [step.seq for step in flat(path_of(verdict, steps).steps)] == list(range(1, len(facts) + 1))


@given(HOSTILE, st.integers(10, 90))
def test_a_wrapped_line_loses_no_letter(words, most):
    lines = wrapped(words, most, hanging=3)
    assert "".join("".join(lines).split()) == "".join(words.split())
