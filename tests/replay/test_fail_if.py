"""`--fail-if`: every figure can be asked for, and a mistake is found before any work is done."""

import sqlite3

import pytest

from engine.errors import InputError
from engine.wiring import SHIPPED_POLICY
from simulator.fail_if import FIGURES, FailIf, figures
from tests.report.replays import another_policy, busy, labels_for, record, replayed

ALL = {name: 3 if kind is int else 0.3 for name, (kind, _) in FIGURES.items()}


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """A labelled replay of two policies."""
    folder = tmp_path_factory.mktemp("figures")
    other = another_policy(
        folder / "other", ("thresholds.yaml", "below_confidence: 0.7", "below_confidence: 0.1")
    )
    labels = labels_for(300, lambda number: number % 9 == 4, lambda episode: episode % 2 == 0)
    made = replayed(record(folder / "a.wkr", busy(300), labels), SHIPPED_POLICY, other)
    yield made
    made.db.close()


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, (kind, _) in FIGURES.items()])
def test_every_figure_can_be_compared(name, kind):
    half = "2" if kind is int else "0.2"
    assert FailIf(f"{name} > {half}").holds(ALL)
    assert not FailIf(f"{name} <= {half}").holds(ALL)


def test_every_figure_is_given_by_a_replay_that_has_it(summary):
    found = figures(summary.summary)
    assert found.keys() == FIGURES.keys()
    assert [name for name, value in found.items() if value is None] == ["not_reproduced"]
    for name, value in found.items():
        assert value is None or isinstance(value, FIGURES[name][0])


def test_figures_are_what_the_results_say(summary):
    found, ask = figures(summary.summary), summary.db.execute
    assert isinstance(summary.db.conn, sqlite3.Connection)
    words = dict(ask("select word, count(*) from decisions where track = 0 group by word").fetchall())
    assert (found["allowed"], found["held"], found["denied"]) == (
        words["allow"],
        words["hold"],
        words["deny"],
    )
    newly = """select count(*) from decisions a join decisions b using (seq)
        where a.track = 0 and b.track = 1 and a.word = 'allow' and b.word != 'allow'"""
    assert found["newly_allowed"] == ask(newly).fetchone()[0]
    caught = """select sum(l.unsafe and d.word != 'allow') * 1.0 / sum(l.unsafe)
        from decisions d join labels l using (proposal_id) where d.track = 0"""
    assert found["recall"] == pytest.approx(ask(caught).fetchone()[0])


def test_newly_allowed_means_what_its_description_says(summary):
    assert "--policy allows" in FIGURES["newly_allowed"][1]
    assert figures(summary.summary)["newly_allowed"] == 0
    assert figures(summary.summary)["differing"] > 0


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "cannot be read"),
        ("denied >", "cannot be read"),
        ("precison < 0.5", "undeclared reference to 'precison'"),
        ("precision < 1", "write shares with a point: 0.5"),
        ("denied > 0.5", "no matching overload"),
        ("denied", "is not true or false"),
        ("'denied'", "is not true or false"),
    ],
)
def test_a_wrong_condition_is_refused_when_it_is_read(condition, said):
    with pytest.raises(InputError) as refused:
        FailIf(condition)
    assert said in str(refused.value)
    assert refused.value.place == f"--fail-if {condition!r}"
    assert refused.value.cure


def test_a_figure_that_is_missing_is_named():
    given = ALL | {"precision": None, "differing": None}
    with pytest.raises(InputError, match="not given here: differing, precision;"):
        FailIf("precision < 0.5").holds(given)
    assert FailIf("denied > 2").holds(given)


def test_what_a_missing_figure_cannot_change_needs_no_figure():
    assert FailIf("denied > 2 || precision < 0.5").holds(ALL | {"precision": None})
    assert not FailIf("denied > 5 && precision < 0.5").holds(ALL | {"precision": None})


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("denied / allowed > 2", "cannot be computed: divide by zero"),
        ("denied * 9223372036854775807 > 2", "cannot be computed: integer overflow"),
    ],
)
def test_what_cannot_be_computed_is_not_blamed_on_a_missing_figure(condition, said):
    with pytest.raises(InputError, match=said):
        FailIf(condition).holds(ALL | {"allowed": 0})
