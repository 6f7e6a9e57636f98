"""Differing decisions, one by one: both sides with their reasons, by filter and by page."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.vocabulary.verdicts import RULING_RANK
from engine.errors import InputError
from simulator.differing import Wanted, differing
from simulator.stored import verdicts_of
from tests.report.test_compare import pairs


@pytest.fixture
def path(two) -> Path:
    return two.recording.path.with_suffix(".sqlite")


def everything(path: Path, wanted: Wanted, most: int = 7):
    found, after = [], 0
    while after is not None:
        page = differing(path, wanted, after=after, most=most)
        assert len(page.found) <= most
        found += page.found
        after = page.after
    return found


def test_pages_hold_every_difference_once(two, path):
    wanted = [row[2] for row in pairs(two) if row[0] != row[3]]
    found = everything(path, Wanted())
    assert [each.decision_id for each in found] == wanted
    assert differing(path, Wanted()).compared == len(pairs(two))
    assert differing(path, Wanted(), most=10_000).after is None


@pytest.mark.parametrize(
    ("how", "fits"),
    [
        ("allowed", lambda word, rule, other, other_rule: word == "allow" != other),
        ("stopped", lambda word, rule, other, other_rule: other == "allow" != word),
        ("reason", lambda word, rule, other, other_rule: word == other and rule != other_rule),
    ],
)
def test_filters_take_what_they_say(two, path, how, fits):
    wanted = [row[2] for row in pairs(two) if fits(row[0], row[1], row[3], row[4])]
    assert [each.decision_id for each in everything(path, Wanted(how=how))] == wanted


def test_by_agent_action_and_rule_of_either_side(path):
    whole = everything(path, Wanted(), most=500)
    rule = next(each.other.rule for each in whole if each.other.rule)
    for wanted, fits in (
        (Wanted(agent="agent-1"), lambda each: each.agent == "agent-1"),
        (Wanted(action=whole[0].action), lambda each: each.action == whole[0].action),
        (Wanted(rule=rule), lambda each: rule in {each.one.rule, each.other.rule}),
    ):
        expected = [each for each in whole if fits(each)]
        assert expected
        assert everything(path, wanted) == expected
    assert everything(path, Wanted(agent="' or 1 = 1 --")) == []


def test_each_side_says_why_as_its_verdict_does(two, path):
    for each in everything(path, Wanted(), most=500)[:40]:
        verdicts = verdicts_of(two.db, [(0, each.seq), (1, each.seq)])
        for track, side in enumerate((each.one, each.other)):
            verdict = verdicts[track, each.seq]
            assert (side.word, side.shadowed) == (verdict.word, verdict.shadowed)
            answers = [*verdict.answers, *verdict.assessment.answers]
            hardest = max((RULING_RANK[answer.ruling] for answer in answers), default=0)
            reasons = {answer.reason for answer in answers if RULING_RANK[answer.ruling] == hardest}
            assert side.reason in reasons | {"no gate objected"}


def test_one_policy_differs_from_nobody(one):
    page = differing(one.recording.path.with_suffix(".sqlite"), Wanted())
    assert (page.compared, page.found, page.after) == (0, (), None)


def test_what_is_no_results_file_is_said(tmp_path):
    with pytest.raises(InputError, match="gone"):
        differing(tmp_path / "none.sqlite", Wanted())
    (tmp_path / "broken.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(InputError, match="not a results file"):
        differing(tmp_path / "broken.sqlite", Wanted())
