"""Counts: each fact once, few names, lengths from beginning to end, and nothing lost when written down."""

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given

from engine.core.kpis import counting
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationEnded,
    EscalationRaised,
    NotificationReported,
    NotificationsRequested,
)
from engine.core.vocabulary.escalations import Notification
from engine.core.vocabulary.rollout_facts import StageChanged
from engine.core.vocabulary.rollouts import Evidence
from engine.core.vocabulary.units import SECOND_US
from tests.builders import NOON_US, impact, verdict
from tests.determinism.wakings import woken
from tests.strategies import histories


def counted(*facts):
    counts = counting.begin()
    for fact in facts:
        counting.fold(counts, fact)
    return counts


def some(counts, name):
    """What a count comes to, by its labels, without what never happened."""
    return {labels: count for labels, count in counts.totals[name].items() if count}


def reached(word="allow", nth=1, at_us=NOON_US, **values):
    given = {"decision_id": f"d_{nth}", "proposal_id": f"p-{nth}"} | values
    return f.VerdictReached(at_us=at_us, verdict=verdict(word, at_us, **given))


@given(histories())
def test_every_fact_is_counted_once_whatever_the_pieces(history):
    counts = counted(*history)
    assert some(counts, "facts") == Counter((f.tag_of(fact),) for fact in history)
    decided = [fact.verdict for fact in history if isinstance(fact, f.VerdictReached)]
    assert sum(counts.totals.get("decisions", {}).values()) == len(decided)
    assert counts.now_us == max((fact.at_us for fact in history), default=0)
    half = len(history) // 2
    written = counting.decode(counting.encode(counted(*history[:half])))
    for fact in history[half:]:
        counting.fold(written, fact)
    assert written == counts


def test_verdicts_count_by_capability_word_and_shadow():
    counts = counted(
        reached("allow", 1), reached("deny", 2), reached("allow", 3, shadowed=True, capability="edit@7")
    )
    assert some(counts, "decisions") == {
        ("heal", "allow", "false"): 1,
        ("heal", "deny", "false"): 1,
        ("edit", "allow", "true"): 1,
    }
    # A count that begins with its first event could not be seen to rise.
    assert counts.totals["decisions"]["heal", "hold", "false"] == 0


def test_names_are_told_apart_up_to_a_bound():
    agents = [f"agent-{nth}" for nth in range(counting.MOST_NAMES + 5)]
    counts = counted(*(reached("deny", nth, agent=agent) for nth, agent in enumerate(agents)))
    found = some(counts, "agent_decisions")
    assert len(found) == counting.MOST_NAMES + 1
    assert found["other", "deny"] == 5
    assert found["agent-0", "deny"] == 1


@pytest.mark.parametrize(("took_s", "bucket"), [(0, 0), (10, 0), (11, 1), (14_400, 7), (14_401, 8)])
def test_a_hold_is_measured_from_its_verdict_to_its_end(took_s, bucket):
    end_us = NOON_US + took_s * SECOND_US
    over = f.HoldEnded(
        at_us=end_us, decision_id="d_1", proposal_id="p-1", agent="a", capability="heal@1",
        action="cache.clear", how="approved",
    )  # fmt: skip
    counts = counted(reached("hold"), over, over)
    span = counts.spans["hold_wait"]
    assert [nth for nth, count in enumerate(span.buckets) if count] == [bucket]
    assert (sum(span.buckets), span.sum_us, span.begun) == (1, took_s * SECOND_US, {})
    assert some(counts, "holds_ended") == {("approved",): 2}


def test_what_never_ends_does_not_pile_up(monkeypatch):
    monkeypatch.setattr(counting, "MOST_BEGUN", 3)
    counts = counted(*(reached("hold", nth) for nth in range(10)))
    assert list(counts.spans["hold_wait"].begun) == ["d_7", "d_8", "d_9"]


def test_money_counts_as_estimated_and_as_reported():
    outcome = f.OutcomeReported(
        at_us=NOON_US, proposal_id="p-1", agent="a", capability="heal@1", action="cache.clear", ok=False,
        by="executor", cost_usd=Decimal("0.30"),
    )  # fmt: skip
    spent = {"impact": impact(cost_usd="0.20")}
    counts = counted(
        reached("allow", 1, **spent), reached("allow", 2, shadowed=True, **spent),
        reached("deny", 3, **spent), outcome,
    )  # fmt: skip
    assert counts.dollars == {"estimated": Decimal("0.20"), "reported": Decimal("0.30")}
    assert some(counts, "outcomes") == {("heal", "executor", "failed"): 1}


def test_a_report_is_counted_by_the_channel_its_notification_went():
    asked = NotificationsRequested(
        at_us=NOON_US, escalation_id="e_1", why="",
        notifications=(Notification(notification_id="e_1.1", channel="sms", person="ray"),),
    )  # fmt: skip

    def report(which, delivery, **more):
        return NotificationReported(
            at_us=NOON_US, escalation_id="e_1", notification_id=which, attempt=1, delivery=delivery, **more
        )

    counts = counted(
        asked,
        report("e_1.1", "accepted"),
        report("e_1.1", "failed", kind="broken"),
        report("e_9.1", "failed"),
    )
    assert some(counts, "notifications") == {
        ("sms", "accepted", ""): 1,
        ("sms", "failed", "broken"): 1,
        ("other", "failed", ""): 1,
    }
    assert counts.totals["notifications"]["sms", "failed", "setup"] == 0


@pytest.mark.parametrize("acknowledged", [True, False])
def test_only_what_was_acknowledged_says_how_long_that_took(acknowledged):
    (raised,) = [fact for fact in woken(Random(1), 1, NOON_US) if isinstance(fact, EscalationRaised)]
    which, at_us = raised.escalation_id, raised.at_us + 40 * SECOND_US
    took = EscalationAcknowledged(at_us=at_us, escalation_id=which, by="ray", role="responder", via="call")
    ended = EscalationEnded(at_us=at_us, escalation_id=which, how="exhausted", by="engine", detail="")
    counts = counted(raised, *([took] if acknowledged else []), ended)
    assert sum(counts.spans["acknowledge"].buckets) == acknowledged
    assert counts.spans["acknowledge"].begun == {}
    assert some(counts, "escalations_ended") == {("exhausted",): 1}


def test_a_rollback_rises_from_nought():
    step = StageChanged(
        at_us=NOON_US, capability="heal@2", was="unproven", now="shadow", by="ann", reason="",
        evidence=Evidence(since_us=NOON_US),
    )  # fmt: skip
    counts = counted(step)
    assert some(counts, "stage_changes") == {("heal", "shadow"): 1}
    assert counts.totals["stage_changes"]["heal", "rolled_back"] == 0


def test_a_kind_of_another_version_is_counted_as_other():
    counts = counting.begin()
    counting.saw(counts, "something_new", NOON_US)
    assert some(counts, "facts") == {("other",): 1}


def test_what_other_versions_wrote_is_not_gone_on_from():
    assert counting.decode(b"\x80") is None, "it has no lengths measured"
    assert counting.decode(b"nonsense") is None
    counts = counting.begin()
    counts.spans["effect"].buckets.append(0)
    assert counting.decode(counting.encode(counts)) is None


def test_a_copy_is_left_alone_by_what_comes_later():
    counts = counted(reached("hold"))
    copy = counting.copied(counts)
    before = counting.encode(copy)
    counting.fold(counts, reached("hold", 2))
    assert counting.encode(copy) == before
