"""The summary's figures are those of the verdicts themselves, counted here a second time and another way."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from engine.core.decide import in_order
from engine.core.vocabulary.facts import VerdictReached, decode
from engine.core.vocabulary.verdicts import RULING_RANK, Verdict
from engine.wiring import SHIPPED_POLICY
from simulator.plain import printable
from simulator.replay.lanes import Span
from simulator.stored import lines_of, transaction, verdicts_of
from simulator.summary import from_json, to_json
from simulator.summary_text import text
from tests.builders import NOON_US
from tests.report.replays import HOSTILE, Replayed, another_policy, ask, busy, labels_for, record, replayed


def verdicts(found: Replayed, policy_hash: str) -> list[Verdict]:
    """Every verdict of one policy, read from the stored lines and nothing else."""
    blocks = [row[0] for row in found.db.execute("select block from blocks order by block")]
    facts = [decode(line) for block in blocks for line in lines_of(found.db, block)]
    return [
        fact.verdict
        for fact in facts
        if isinstance(fact, VerdictReached) and fact.verdict.policy_hash == policy_hash
    ]


@pytest.fixture(params=["one", "two"])
def found(request):
    return request.getfixturevalue(request.param)


def test_words_are_counted_right(found):
    for track in found.summary.tracks:
        words = Counter(verdict.word for verdict in verdicts(found, track.policy_hash))
        assert msgspec.structs.asdict(track.words) == {
            word: words[word] for word in ("allow", "hold", "deny")
        }
        assert found.summary.decisions == words.total()
    assert all(msgspec.structs.astuple(found.summary.words)), "the sample should have every word"


def test_shadowed_and_executed_are_counted_right(found):
    for track in found.summary.tracks:
        told = verdicts(found, track.policy_hash)
        assert track.shadowed == sum(verdict.shadowed for verdict in told) > 0
        assert track.executed == sum(v.word == "allow" and not v.shadowed for v in told) > 0


def test_costs_are_summed_right(found):
    for track in found.summary.tracks:
        for word, summed in (
            ("allow", track.costs.allowed),
            ("hold", track.costs.held),
            ("deny", track.costs.denied),
        ):
            told = [v.impact.cost_usd for v in verdicts(found, track.policy_hash) if v.word == word]
            assert summed == pytest.approx(float(sum(told, Decimal(0))))


def test_rules_are_counted_right(found):
    for track in found.summary.tracks:
        objected: Counter[tuple[str, str, str]] = Counter()
        decided: Counter[str] = Counter()
        for verdict in verdicts(found, track.policy_hash):
            against = [answer for answer in in_order(verdict) if answer.ruling != "allow"]
            objected.update((answer.gate, answer.rule, answer.ruling) for answer in against)
            if against:
                strictest = max(RULING_RANK[answer.ruling] for answer in against)
                decided["all"] += 1
                assert verdict.word == ("deny" if strictest == 3 else "hold")
        assert {(r.gate, r.rule, r.ruling): r.decisions for r in track.rules} == dict(objected)
        assert sum(rule.deciding for rule in track.rules) == decided["all"]


def test_a_rule_comes_with_its_owner_and_what_it_said(found):
    for track in found.summary.tracks:
        for rule in track.rules:
            sample = next(v for v in verdicts(found, track.policy_hash) if v.decision_id == rule.example)
            answer = next(a for a in in_order(sample) if (a.gate, a.rule) == (rule.gate, rule.rule))
            assert (rule.owner, rule.reason) == (answer.owner, answer.reason)
            assert rule.reason


def test_waiting_is_what_state_still_holds(one):
    track, state = one.summary.tracks[0], one.end.tracks[0].state
    assert track.waiting == len(state.holds.by_id) > 0
    assert sum(wait.decisions for wait in track.waits) == sum(
        len(h.waits) for h in state.holds.by_id.values()
    )


def test_facts_and_hashes_are_those_of_the_replay(found):
    summary, end = found.summary, found.end
    assert summary.facts == sum(end.kinds.values()) == found.recording.footer.facts
    assert [track.journal_hash for track in summary.tracks] == [track.journal_hash for track in end.tracks]
    assert [track.state_hash for track in summary.tracks] == [track.state_hash for track in end.tracks]
    assert summary.facts_per_s == pytest.approx(end.facts_this_run / end.seconds)


def test_json_comes_back_as_it_was(found):
    body = to_json(found.summary)
    assert body.endswith(b"}\n")
    assert from_json(body) == found.summary


def test_a_recording_without_proposals_is_summed_up(silent):
    summary = silent.summary
    assert (summary.decisions, summary.facts, summary.example) == (0, 50, "")
    assert summary.span.first_decision_at is None
    assert from_json(to_json(summary)) == summary
    assert "nothing was proposed" in text(summary)


def test_a_span_leaves_out_what_lies_outside(tmp_path):
    span = Span(NOON_US + 10 * 60_000_000, NOON_US + 20 * 60_000_000)
    found = replayed(record(tmp_path / "r.wkr", busy(40)), span=span)
    assert found.summary.decisions == 10
    assert found.summary.span.from_at == "2023-11-14T22:23:20Z"
    assert "--from 2023-11-14T22:23:20Z --until 2023-11-14T22:33:20Z" in found.summary.command


def test_a_stopped_replay_is_summed_up_as_far_as_it_came(tmp_path):
    found = replayed(record(tmp_path / "r.wkr", busy(16_000, step_us=1_000_000)), stop_after=1)
    assert not found.summary.finished
    assert 0 < found.summary.decisions < 16_000
    assert found.summary.decisions == found.db.execute("select count(*) from decisions").fetchone()[0]
    assert "Stopped before the end" in text(found.summary)


@pytest.mark.parametrize("name", ["one", "two", "silent"])
def test_text_is_narrow_and_cannot_move_the_cursor(name, request):
    summary = request.getfixturevalue(name).summary
    hostile = msgspec.structs.replace(summary, recording=HOSTILE[3], source=HOSTILE[5], notes=list(HOSTILE))
    lines = text(hostile).split("\n")
    # The command at the end holds paths, which nobody may cut.
    command = next(i for i, line in enumerate(lines) if line.startswith("run it again"))
    assert max(map(len, lines[:command])) <= 100
    assert all(letter == "\n" or letter.isprintable() for letter in text(hostile))


def test_text_tells_how_to_go_on(one):
    told = text(one.summary)
    assert f"watchkeeper explain {one.summary.example}" in told
    for track in one.summary.tracks:
        assert all(value in told for value in (track.policy_hash, track.journal_hash, track.state_hash))


def test_a_verdict_that_is_not_there_is_left_out(one):
    assert verdicts_of(one.db, [(0, 10**9), (7, 1)]) == {}


def test_a_transaction_takes_all_back(one):
    def half_way() -> None:
        with transaction(one.db):
            one.db.conn.execute("delete from run")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_way()
    assert one.db.execute("select count(*) from run").fetchone()[0] > 0


@pytest.mark.parametrize(
    "letter", ["\x00", "\n", "\x1b", "\u202e", "\u2066", "\u200b", "\ud800", "\x85", "\ufeff"]
)
def test_what_acts_instead_of_being_seen_is_written_out(letter):
    shown = printable(f"a{letter}b")
    assert letter not in shown
    assert "\\" in shown


def test_letters_of_every_script_stay():
    assert printable(HOSTILE[4]) == HOSTILE[4]


def test_one_proposal_is_one_decision(tmp_path):
    summary = replayed(record(tmp_path / "r.wkr", [ask(1)])).summary
    assert (summary.decisions, summary.words.allow) == (1, 1)
    assert summary.example.startswith("d_")


def test_made_up_names_do_not_make_a_summary_long(tmp_path):
    facts = [ask(number, action=f"made.up.{number}", agent=f"a{number}") for number in range(620)]
    labels = labels_for(620, lambda number: number % 2 == 0, lambda _: False)
    other = another_policy(tmp_path / "other", ("rules.yaml", "rules:", _HOLDS_ALL))
    found = replayed(record(tmp_path / "r.wkr", facts, labels), SHIPPED_POLICY, other)
    summary = found.summary
    assert (len(summary.tracks[0].rules), summary.tracks[0].rules_in_all) == (500, 621)
    assert (len(summary.score.agents), summary.score.agents_in_all) == (500, 620)
    assert (len(summary.score.caught_by), summary.score.rules_in_all) == (500, 620)
    assert (summary.score.held.tp, summary.score.held.fp) == (310, 310)
    assert len(summary.differences.groups) <= 500


# A rule in front of all others: what it holds is denied elsewhere, so it decides nothing.
_HOLDS_ALL = """rules:
  - id: everything
    when: cost_usd >= 0.0
    ruling: escalate
    reason: it is anything at all
"""
