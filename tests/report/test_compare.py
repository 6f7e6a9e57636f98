"""Two policies over one history, and one history against itself."""

from __future__ import annotations

import hashlib
from collections import Counter

from msgspec.structs import replace

from engine.core.vocabulary.facts import VerdictReached, decode, encode
from simulator.compare import differences, recorded_verdicts
from simulator.recording import RecordedVerdict
from simulator.replay.results import find_decision
from simulator.summary_text import text
from tests.report.replays import ask, busy, record, replayed


def pairs(found):
    """Word and rule under each policy, joined here rather than by the code under test."""
    tracks = [
        {row[0]: row[1:] for row in found.db.execute(
            "select seq, word, rule, decision_id from decisions where track = ?", (track,))}
        for track in (0, 1)
    ]  # fmt: skip
    assert tracks[0].keys() == tracks[1].keys()
    return [(*tracks[0][seq], *tracks[1][seq]) for seq in sorted(tracks[0])]


def test_differences_are_counted_by_words_and_by_rules(two):
    found, told = two.summary.differences, pairs(two)
    differing = [row for row in told if row[0] != row[3]]
    assert found.compared == len(told)
    assert found.different == len(differing) > 0
    assert {(g.word, g.rule, g.other_word, g.other_rule): g.decisions for g in found.groups} == Counter(
        (row[0], row[1], row[3], row[4]) for row in differing
    )
    assert {(w.word, w.other_word): w.decisions for w in found.words} == Counter(
        (row[0], row[3]) for row in differing
    )
    assert found.other_reason == sum(row[0] == row[3] and row[1] != row[4] for row in told)


def test_newly_allowed_is_what_the_policy_allows_and_the_compared_one_stops(two):
    found, told = two.summary.differences, pairs(two)
    allowed = {row[2] for row in told if row[0] == "allow" and row[3] != "allow"}
    assert found.newly_allowed == len(allowed) > 0
    assert {one.decision_id for one in found.newly_allowed_examples} <= allowed
    assert found.newly_stopped == sum(row[0] != "allow" and row[3] == "allow" for row in told) > 0


def test_newly_allowed_stands_first(two):
    marks = [group.newly_allowed for group in two.summary.differences.groups]
    assert marks == sorted(marks, reverse=True)
    assert marks[0]
    assert "NEWLY ALLOWED" in text(two.summary)


def test_examples_belong_to_their_group(two):
    where = {row[2]: (row[0], row[1], row[3], row[4]) for row in pairs(two)}
    for group in two.summary.differences.groups:
        assert 1 <= len(group.examples) <= 5
        for example in group.examples:
            assert where[example] == (group.word, group.rule, group.other_word, group.other_rule)


def test_one_policy_has_nothing_to_differ_from(one):
    assert one.summary.differences is None
    assert differences(one.db) is None


def recorded(found, *, but: int | None = None):
    """What a journal of this replay would say of each proposal; one of them with another reason."""
    for number, (name, decision) in enumerate(
        found.db.execute("select proposal_id, decision_id from decisions order by seq").fetchall()
    ):
        _, line = find_decision(found.recording.path.with_suffix(".sqlite"), decision)
        fact = decode(line)
        assert isinstance(fact, VerdictReached)
        if number == but:
            line = encode(replace(fact, verdict=replace(fact.verdict, policy_hash="00")))
        yield RecordedVerdict(
            proposal_id=name, word=fact.verdict.word, sha256=hashlib.sha256(line).hexdigest()
        )


def journal(tmp_path, *, but: int | None = None, more=()):
    first = replayed(record(tmp_path / "first.wkr", busy(60)))
    labels = [*recorded(first, but=but), *more]
    return replayed(record(tmp_path / "again.wkr", busy(60), labels))


def test_a_journal_replays_to_the_last_byte(tmp_path):
    found = journal(tmp_path).summary.recorded_verdicts
    assert (found.recorded, found.compared, found.same_word, found.reproduced) == (60, 60, 60, 60)
    assert found.first_difference is None


def test_the_first_verdict_with_another_reason_is_named(tmp_path):
    again = journal(tmp_path, but=7)
    found = again.summary.recorded_verdicts
    assert (found.same_word, found.reproduced) == (60, 59)
    seq = again.db.execute("select seq from decisions where proposal_id = 'p7'").fetchone()[0]
    assert found.first_difference.seq == seq
    assert found.first_difference.recorded_word == found.first_difference.replayed_word
    assert "reproduced 59 of 60" in text(again.summary)


def test_recorded_verdicts_outside_the_span_are_not_compared(tmp_path):
    more = [RecordedVerdict(proposal_id="p-gone", word="deny", sha256="00")]
    found = journal(tmp_path, more=more).summary.recorded_verdicts
    assert (found.recorded, found.compared, found.reproduced) == (61, 60, 60)


def test_hashes_are_left_for_anybodys_queries_and_made_once(tmp_path):
    again = journal(tmp_path)
    left = again.db.execute(
        "select count(*) from recorded_verdicts where replayed_sha256 is null"
    ).fetchone()[0]
    assert left == 0
    again.db.conn.execute("pragma query_only = on")
    assert recorded_verdicts(again.db) == again.summary.recorded_verdicts


def test_a_word_that_changed_is_shown_as_then_and_now(tmp_path):
    first = replayed(record(tmp_path / "first.wkr", [ask(1)]))
    (label,) = recorded(first)
    again = replayed(record(tmp_path / "again.wkr", [ask(1)], [replace(label, word="deny", sha256="00")]))
    assert "deny then, allow now" in text(again.summary)


def test_without_recorded_verdicts_there_is_nothing_to_reproduce(one):
    assert one.summary.recorded_verdicts is None
