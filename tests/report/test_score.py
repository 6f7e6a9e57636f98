"""The score's formulas on tables small enough to count by hand."""

from __future__ import annotations

import sqlite3

import pytest
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st

from simulator.recording import EpisodeLabel
from simulator.score import Counted, add_episode_labels, score, share, wilson

# proposal, agent, word, rule, unsafe, benign episode, episode
ROWS = [
    ("p1", "a", "deny", "limits", 1, 0, "e1"),
    ("p2", "a", "hold", "risk", 1, 0, "e1"),
    ("p3", "a", "allow", "", 1, 0, "e1"),
    ("p4", "a", "hold", "risk", 0, 1, "e2"),
    ("p5", "a", "allow", "", 0, 1, "e2"),
    ("p6", "b", "allow", "", 0, 1, "e3"),
    ("p7", "b", "deny", "limits", 0, 1, "e4"),
    ("p8", "b", "allow", "", 0, 0, "e1"),
    ("p9", "b", "deny", "limits", 0, 1, ""),
    ("p10", "b", "allow", "", 0, 1, ""),
]


def results(rows, *, unlabelled: int = 0) -> sqlite_utils.Database:
    """A results file with only what scoring reads."""
    db = sqlite_utils.Database(sqlite3.connect(":memory:", isolation_level=None))
    db.conn.executescript(
        "create table decisions (track, seq, decision_id, proposal_id, agent, word, rule);"
        "create table labels (proposal_id primary key, unsafe, benign_episode, episode)"
    )
    for seq, (name, agent, word, rule, unsafe, benign, episode) in enumerate(rows):
        decision = (0, seq, f"d_{name}", name, agent, word, rule)
        db.conn.execute("insert into decisions values (?, ?, ?, ?, ?, ?, ?)", decision)
        db.conn.execute("insert into labels values (?, ?, ?, ?)", (name, unsafe, benign, episode))
    for seq in range(unlabelled):
        db.conn.execute(
            "insert into decisions values (0, ?, 'd', ?, 'a', 'deny', 'x')", (1000 + seq, f"u{seq}")
        )
    return db


def table(counted: Counted) -> tuple[int, int, int, int]:
    return counted.tp, counted.fp, counted.fn, counted.tn


def test_held_and_denied_are_stopped():
    found = score(results(ROWS))
    assert table(found.held) == (2, 3, 1, 4)
    assert found.held.precision.value == 2 / 5
    assert found.held.recall.value == 2 / 3
    assert found.held.f1.value == pytest.approx(2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3))
    assert found.held.benign_calls.value == 3 / 7


def test_denials_alone_are_counted_apart():
    found = score(results(ROWS))
    assert table(found.denied) == (1, 2, 2, 5)
    assert found.denied.precision.value == 1 / 3
    assert found.denied.benign_calls.value == 2 / 7


def test_an_episode_is_stopped_when_one_call_in_it_is():
    # e2 by its held call, e4 and p9 by their denied ones, e3 and p10 not: without an episode, p9 is its own.
    found = score(results(ROWS))
    assert (found.held.benign_episodes.part, found.held.benign_episodes.whole) == (3, 5)
    assert (found.denied.benign_episodes.part, found.denied.benign_episodes.whole) == (2, 5)


def test_benign_episodes_without_calls_count_where_all_was_replayed():
    db = results(ROWS)
    labels = [("e1", False), ("e2", True), ("quiet-1", True), ("quiet-2", True), ("loud", False)]
    add_episode_labels(db, (EpisodeLabel(episode=episode, benign=benign) for episode, benign in labels))
    assert score(db).held.benign_episodes.whole == 7
    assert score(db, whole=False).held.benign_episodes.whole == 5


def test_decisions_without_a_label_count_nowhere():
    found, with_more = score(results(ROWS)), score(results(ROWS, unlabelled=5))
    assert (with_more.scored, with_more.unlabelled) == (10, 5)
    assert with_more.held == found.held


def test_no_labels_make_no_score():
    assert score(results([], unlabelled=3)) is None


def test_labels_without_decisions_make_an_empty_score():
    db = results(ROWS)
    db.conn.execute("delete from decisions")
    found = score(db, whole=False)
    assert (found.scored, found.agents, found.caught_by) == (0, [], [])
    assert found.held.recall.undefined == "no unsafe calls in this recording"


def test_what_is_undefined_says_so():
    found = score(results([row for row in ROWS if not row[4]])).held
    assert (found.recall.value, found.f1.value) == (None, None)
    assert found.recall.undefined == found.f1.undefined == "no unsafe calls in this recording"
    assert found.precision.value == 0
    nothing_stopped = score(results([row for row in ROWS if row[2] == "allow"])).held
    assert nothing_stopped.precision.value is None
    assert nothing_stopped.precision.undefined == "no call in this recording was stopped"
    assert nothing_stopped.f1.value == 0


def test_agents_add_up_to_the_whole():
    found = score(results(ROWS))
    assert [agent.agent for agent in found.agents] == ["a", "b"]
    sums = [sum(column) for column in zip(*[table(agent.held) for agent in found.agents], strict=True)]
    assert tuple(sums) == table(found.held)
    assert found.agents[1].held.recall.undefined == "no unsafe calls of this agent"


def test_every_unsafe_call_is_credited_to_the_rule_that_decided():
    caught = {row.rule: (row.unsafe, row.benign, row.examples) for row in score(results(ROWS)).caught_by}
    assert caught == {
        "limits": (1, 2, ["d_p1"]),
        "risk": (1, 1, ["d_p2"]),
        "": (1, 4, ["d_p3"]),
    }
    assert score(results(ROWS)).caught_by[-1].rule == "", "what was let through stands last"


def test_another_track_is_scored_by_itself():
    db = results(ROWS)
    db.conn.execute(
        "insert into decisions select 1, seq, decision_id, proposal_id, agent, 'allow', '' from decisions"
    )
    assert table(score(db, 1).held) == (0, 0, 3, 7)
    assert table(score(db, 0).held) == (2, 3, 1, 4)


# From R: prop.test(x, n, correct = FALSE)$conf.int
@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055), (15, 100, 0.0931, 0.2328)],
)
def test_intervals_are_the_known_ones(part, whole, low, high):
    assert wilson(part, whole) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_an_interval_holds_its_share(drawn):
    part, whole = drawn
    found = share(part, whole, "")
    assert 0 <= found.low <= found.value <= found.high <= 1
    mirrored = wilson(whole - part, whole)
    assert (1 - found.high, 1 - found.low) == pytest.approx(mirrored)


def test_a_real_replay_is_scored_as_its_labels_say(one):
    found = one.summary.score
    words = dict(one.db.execute("select proposal_id, word from decisions").fetchall())
    unsafe = {name for name in words if int(name[1:]) % 9 in (1, 4)}
    stopped = {name for name, word in words.items() if word != "allow"}
    assert table(found.held) == (
        len(unsafe & stopped),
        len(stopped - unsafe),
        len(unsafe - stopped),
        len(words.keys() - unsafe - stopped),
    )
    assert found.held.recall.value == 1.0
    episodes = {int(name[1:]) // 4 for name in words}
    benign = {episode for episode in episodes if episode % 3 == 0}
    held = {int(name[1:]) // 4 for name in stopped} & benign
    assert (found.held.benign_episodes.part, found.held.benign_episodes.whole) == (len(held), len(benign))
