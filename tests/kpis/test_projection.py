"""The fold: the same sums whatever the pieces, and the same as counting everything anew."""

import copy
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.kpis import cases, costs
from engine.core.kpis import projection as projections
from engine.core.kpis.standing import standings
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tests.builders import NOON_US, impact, shipped, verdict
from tests.courses import Course
from tests.kpis import recount
from tests.kpis.recount import EVERY, kpi
from tests.strategies import histories as any_history


def folded(history, kpis=EVERY):
    projection = projections.begin(kpis)
    for fact in history:
        projections.fold(projection, fact)
    return projection


def standing(projection, name, now_us=None):
    (found,) = [each for each in standings(projection, now_us) if each.name == name]
    return found


def parts(found):
    return {part.name: part.count for part in found.parts}


# ---------------------------------------------------------------- equal to counting anew

LATER_US = st.sampled_from([SECOND_US, MINUTE_US, HOUR_US, DAY_US, 8 * DAY_US])


@given(recount.histories(), LATER_US)
def test_every_figure_is_what_counting_all_facts_anew_gives(history, later_us):
    now_us = history[-1].at_us + later_us
    for of, found in zip(EVERY, standings(folded(history), now_us), strict=True):
        if of.kind == "success":
            counted = recount.episodes(of, history, now_us)
            assert tuple(part.count for part in found.parts) == counted, of.name
        elif of.kind == "holds_upheld":
            assert tuple(part.count for part in found.parts) == recount.holds(of, history, now_us)
        elif of.kind == "cost_per_decision":
            decisions, usd = recount.cost(of, history, now_us)
            assert found.count == decisions, of.name
            assert found.value == (float(usd / decisions) if decisions else None), of.name
        elif of.kind == "uptime":
            seen_us = now_us - max(recount.window(of, now_us)[0], NOON_US)
            lost_us = recount.down_us(of, history, now_us)
            assert found.value == (1 - lost_us / seen_us if seen_us else None), of.name


@given(any_history(), st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_restarts_and_looks_on_the_way_change_nothing(history, restarts, looks):
    projection = projections.begin(EVERY)
    for place, fact in enumerate(history):
        projections.fold(projection, fact)
        if place in looks:
            # Somebody looks in the middle of the time until the next fact.
            following = history[place + 1].at_us if place + 1 < len(history) else fact.at_us
            standings(projection, (fact.at_us + following) // 2)
        if place in restarts:
            projection = projections.decode(projections.encode(projection), EVERY)
    assert standings(projection) == standings(folded(history))


@given(recount.histories(), st.permutations(range(6)))
def test_facts_of_one_moment_may_come_in_any_order(history, order):
    at_us = history[-1].at_us
    moment = [
        f.VerdictReached(at_us=at_us, verdict=verdict(at_us=at_us, proposal_id=f"q-{n}", episode=f"x-{n}"))
        for n in range(5)
    ]
    moment.append(f.KillSwitchSet(at_us=at_us, scope=f.Scope("all"), by="ann"))
    later = [f.MetricObserved(at_us=at_us + 2 * HOUR_US, series="cpu", value=1.0)]
    mixed = [moment[place] for place in order]
    assert standings(folded([*history, *mixed, *later])) == standings(folded([*history, *moment, *later]))


@given(recount.histories())
def test_looking_is_harmless_to_what_is_looked_at(history):
    projection = folded(history)
    before = copy.deepcopy(standings(projection))
    assert standings(projection) == before


def test_what_is_kept_of_other_kpis_is_not_gone_on_from():
    body = projections.encode(folded([shipped().adopted(NOON_US)]))
    assert projections.decode(body, EVERY[1:]) is None
    assert projections.decode(b"\x00", EVERY) is None


# ---------------------------------------------------------------- rollouts


def counted(stage):
    """A course up to a stage, its journal folded, and what the state that decides says."""
    course = Course()
    course.to(stage)
    for number in range(20):
        course.episode(f"more-{number}", fails=number % 4 == 0, minutes=25)
    wide = (kpi("agreement", window_us=366 * DAY_US), kpi("value", window_us=366 * DAY_US, at_least=-0.5))
    facts = course.facts(f.Fact)
    return course, folded(facts, wide)


def test_agreement_is_what_the_rollout_itself_compared():
    course, projection = counted("canary_1")
    (step,) = [fact for fact in course.facts(f.StageChanged) if fact.now == "canary_1"]
    found = standing(projection, "agreement")
    assert found.count == step.evidence.compared > 0
    assert parts(found)["agreed"] == step.evidence.agreed


def test_value_counts_the_episodes_of_every_canary_stage_once():
    course, projection = counted("canary_10")
    (step,) = [fact for fact in course.facts(f.StageChanged) if fact.now == "canary_10"]
    now = course.candidate
    found = [part.count for part in standing(projection, "value").parts]
    assert found[0] == step.evidence.canary.episodes + now.canary
    assert found[1] == step.evidence.canary.failures + now.canary_failures
    assert found[2] == step.evidence.control.episodes + now.control
    assert found[3] == step.evidence.control.failures + now.control_failures


def test_a_kpi_of_another_capability_counts_none_of_it():
    course = Course()
    course.to("canary_1")
    projection = folded(course.facts(f.Fact), (kpi("agreement", scope=recount.Coverage(capability="edit")),))
    assert standing(projection, "agreement").why == "no episode was compared in shadow"


# ---------------------------------------------------------------- windows, bounds, money


def adopted_and(*facts):
    return [shipped().adopted(NOON_US), *facts]


def test_a_window_begins_with_the_first_of_its_whole_steps():
    of = kpi("cost_per_decision", window_us=2 * HOUR_US, at_least=None, at_most=1.0)
    began = NOON_US // MINUTE_US * MINUTE_US
    asked = f.VerdictReached(at_us=began, verdict=verdict(at_us=began, impact=impact(2)))
    projection = folded([shipped().adopted(began), asked], (of,))
    last = began + 2 * HOUR_US - 1
    assert standing(projection, "cost_per_decision", last).value == 2
    assert standing(projection, "cost_per_decision", last + 1).why == "nothing was decided that counts"


def test_an_actual_cost_takes_the_place_of_its_estimate_once():
    asked = verdict(proposal_id="p-1", impact=impact("0.10"))
    told = {"proposal_id": "p-1", "agent": "a", "capability": "heal@1", "action": "x", "ok": True}
    outcomes = [
        f.OutcomeReported(at_us=NOON_US + n, by="executor", cost_usd=usd, **told)
        for n, usd in enumerate([Decimal("0.30"), Decimal(9)])
    ]
    history = adopted_and(f.VerdictReached(at_us=NOON_US, verdict=asked), *outcomes)
    found = standing(folded(history), "cost_per_decision")
    assert found.value == 0.3
    assert parts(found) == {"at their actual cost": 1, "at their estimate": 0}


def test_a_cost_that_cannot_be_summed_exactly_is_refused():
    told = {"proposal_id": "p", "agent": "a", "capability": "heal@1", "action": "x", "ok": True}
    with pytest.raises(ValueError, match="cost_usd must be from 0 to"):
        f.OutcomeReported(at_us=0, by="executor", cost_usd=Decimal(-1), **told)


def test_memory_stays_bounded_however_many_wait(monkeypatch):
    monkeypatch.setattr(cases, "MOST_OPEN", 10)
    monkeypatch.setattr(costs, "MOST_AWAITED", 10)
    history = adopted_and(
        *(
            f.VerdictReached(
                at_us=NOON_US, verdict=verdict(proposal_id=f"p-{number}", decision_id=f"d-{number}")
            )
            for number in range(500)
        )
    )
    projection = folded(history)
    for sums in projection.sums:
        assert len(getattr(sums, "open", ())) <= 10
        assert len(getattr(sums, "awaited", ())) <= 10
    # Who was judged early had no outcome.
    assert parts(standing(projection, "autonomy"))["unreported"] == 490


def test_sums_of_ten_years_are_no_more_than_a_window_has_steps():
    projection = projections.begin(EVERY)
    projections.fold(projection, shipped().adopted(0))
    for day in range(3650):
        at_us = day * DAY_US
        asked = verdict(at_us=at_us, proposal_id=f"p-{day}", decision_id=f"d-{day}")
        projections.fold(projection, f.VerdictReached(at_us=at_us, verdict=asked))
    assert all(len(sums.window.by_step) <= of.steps for of, sums in zip(EVERY, projection.sums, strict=True))
    assert len(projections.encode(projection)) < 200_000
