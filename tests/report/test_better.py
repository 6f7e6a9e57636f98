"""Which of two policies does better where they disagree, by labels."""

import sqlite_utils

from engine.core.statistics import paired
from simulator.better import better


def results(rows):
    """A results file of `(episode, unsafe, word of the first policy, word of the second)`."""
    db = sqlite_utils.Database(memory=True)
    db["decisions"].create({"track": int, "seq": int, "proposal_id": str, "word": str})
    db["labels"].create({"proposal_id": str, "episode": str, "unsafe": int})
    for seq, (episode, unsafe, *words) in enumerate(rows):
        db["labels"].insert({"proposal_id": f"p-{seq}", "episode": episode, "unsafe": int(unsafe)})
        for track, word in enumerate(words):
            db["decisions"].insert({"track": track, "seq": seq, "proposal_id": f"p-{seq}", "word": word})
    return db


def test_a_policy_is_right_when_it_stops_the_unsafe_and_lets_the_benign_through():
    rows = [
        ("a", True, "hold", "allow"),
        ("b", True, "allow", "deny"),
        ("c", False, "allow", "hold"),
        ("d", False, "deny", "allow"),
        ("e", False, "allow", "hold"),
        ("f", True, "hold", "deny"),
        ("g", False, "allow", "allow"),
    ]
    found = better(results(rows))
    assert (found.differ, found.first_right) == (5, 3)
    assert (found.unsafe_stopped_by_first, found.unsafe_stopped_by_second) == (1, 1)
    assert (found.benign_stopped_by_first, found.benign_stopped_by_second) == (1, 2)
    assert (found.episodes_first, found.episodes_second, found.verdict) == (3, 2, "")


def test_an_episode_is_one_pair_however_many_calls_it_holds():
    found = better(results([("a", False, "allow", "hold")] * 50))
    assert (found.first_right, found.episodes_first) == (50, 1)
    assert found.verdict == ""
    found = better(results([(f"e-{number}", False, "allow", "hold") for number in range(6)]))
    assert found.verdict == "first"
    values = paired.begin()
    for _ in range(6):
        paired.see(values, candidate_failed=False, incumbent_failed=True, direction="better")
    assert abs(found.first_better - paired.e_value(values)) < 1e-9
    assert found.second_better < 1


def test_the_second_may_be_the_better_one():
    found = better(results([("", True, "allow", "hold")] * 6))
    assert (found.episodes_second, found.verdict) == (6, "second"), "without an episode each call is its own"


def test_without_labels_nothing_is_said():
    db = results([])
    assert better(db) is None
