"""Limits hold for any sequence of proposals, and agree with a model that remembers everything."""

import copy
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.core.gates import limits
from engine.core.gates.limits import Usage, Window
from engine.core.state import State, encode_state
from engine.core.vocabulary.facts import Limit
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import MINUTE_US, SECOND_US, parse_time
from engine.core.vocabulary.verdicts import Check
from tests.builders import verdict

AGENTS = ["coder-1", "healer"]
limit_kinds = st.builds(
    Limit,
    id=st.just(""),
    measure=st.sampled_from(["cost_usd", "files", "api_calls"]),
    most=st.integers(1, 12).map(Decimal) | st.just(Decimal("2.5")),
    window_us=st.sampled_from([SECOND_US, MINUTE_US, 90 * SECOND_US]),
    per=st.sampled_from(["agent", "all"]),
)
limit_sets = st.lists(limit_kinds, min_size=1, max_size=3).map(
    lambda kinds: tuple(
        Limit(id=f"l{n}", measure=k.measure, most=k.most, window_us=k.window_us, per=k.per)
        for n, k in enumerate(kinds)
    )
)
small = st.builds(
    Impact,
    cost_usd=st.sampled_from(["0", "0.00", "0.1", "0.10", "1", "2.50", "1E+1", "0.000000000001"]).map(
        Decimal
    ),
    files=st.integers(0, 5),
    api_calls=st.integers(0, 5),
)
gaps = st.sampled_from([0, 0, 1, SECOND_US - 1, SECOND_US, 10 * SECOND_US, MINUTE_US, 90 * SECOND_US])
steps = st.lists(
    st.tuples(gaps, st.sampled_from(AGENTS), small, st.sampled_from([False, False, True])), max_size=30
)


def timed(asked):
    """Replace each gap with the time it leads to."""
    now_us = 0
    for gap_us, *rest in asked:
        now_us += gap_us
        yield now_us, *rest


def run(usage, asked):
    """Ask for each in turn and fold the verdicts, as the loop does; yield what was asked and answered."""
    for now_us, agent, touched, shadowed in asked:
        said = limits.judge(usage, agent, touched, now_us, shadowed=shadowed)
        word = "allow" if said.ruling == "allow" else "deny"
        limits.fold_verdict(usage, verdict(word, now_us, agent=agent, impact=touched, shadowed=shadowed))
        yield now_us, agent, touched, shadowed, said


def counted(allowed, limit, now_us, agent, *, shadow):
    """The naive model: look at everything that was ever allowed."""
    return sum(
        (
            Decimal(getattr(touched, limit.measure))
            for at_us, who, touched, shadowed in allowed
            if now_us - limit.window_us < at_us <= now_us
            and (limit.per == "all" or who == agent)
            and (shadow or not shadowed)
        ),
        Decimal(0),
    )


@given(limit_sets, steps)
def test_answers_agree_with_a_model_that_remembers_everything(in_force, asked):
    allowed = []
    for now_us, agent, touched, shadowed, said in run(Usage(limits=in_force), timed(asked)):
        passed, beyond, checks = [], [], []
        for limit in in_force:
            amount = Decimal(getattr(touched, limit.measure))
            if amount:
                used = counted(allowed, limit, now_us, agent, shadow=shadowed) + amount
                checks.append((limit.id, used))
                passed += [limit.id] * (used > limit.most)
                beyond += [limit.id] * (amount > limit.most)
        # Where no waiting makes room, only a person can say.
        refused = "escalate" if beyond == passed else "deny"
        assert said.ruling == (refused if passed else "allow")
        assert bool(said.waits) == (said.ruling == "escalate")
        assert said.rule == (f"limits.{passed[0]}" if passed else "limits.windows")
        # A limit of a fraction of a file reads as a whole number: the sum is what counts.
        assert [(c.measure, Decimal(c.measured)) for c in said.checks] == checks
        if not passed:
            allowed.append((now_us, agent, touched, shadowed))


@given(limit_sets, steps)
def test_no_window_ever_holds_more_live_usage_than_its_limit(in_force, asked):
    allowed = []
    for now_us, agent, touched, shadowed, said in run(Usage(limits=in_force), timed(asked)):
        if said.ruling == "allow" and not shadowed:
            allowed.append((now_us, agent, touched, shadowed))
    for limit in in_force:
        for now_us, agent, *_ in allowed:
            assert counted(allowed, limit, now_us, agent, shadow=False) <= limit.most


@given(limit_sets, steps)
def test_shadow_usage_never_starves_live(in_force, asked):
    mixed = [
        (now_us, agent, said)
        for now_us, agent, _, shadowed, said in run(Usage(limits=in_force), timed(asked))
        if not shadowed
    ]
    alone = [step for step in timed(asked) if not step[3]]
    assert mixed == [
        (now_us, agent, said) for now_us, agent, _, _, said in run(Usage(limits=in_force), alone)
    ]


@given(limit_sets, steps, st.sets(st.integers(0, 29)))
def test_tidying_up_at_any_time_changes_no_answer_and_no_digit(in_force, asked, tidied_at):
    plain, tidied = Usage(limits=in_force), Usage(limits=in_force)
    tidy_run = run(tidied, timed(asked))
    for position, (now_us, *rest) in enumerate(run(plain, timed(asked))):
        if position in tidied_at:
            limits.trim(tidied, now_us)
        assert next(tidy_run) == (now_us, *rest)
    last_us = max((now_us for now_us, *_ in timed(asked)), default=0)
    limits.trim(plain, last_us)
    limits.trim(tidied, last_us)
    assert encode_state(State(usage=plain)) == encode_state(State(usage=tidied))


amounts = st.lists(st.tuples(gaps, st.sampled_from(["1", "0.10", "2.5", "1E+1"]).map(Decimal)), max_size=12)
moments = st.integers(0, 5 * MINUTE_US)


@given(amounts, moments, moments)
def test_forgetting_in_two_steps_leaves_the_same_sum_to_the_digit(used, since_us, earlier_us):
    window, now_us = Window(), 0
    for gap_us, amount in used:
        now_us += gap_us
        window.entries.append((now_us, amount))
        window.total += amount
    left = sum((amount for at_us, amount in window.entries if at_us > since_us), Decimal(0))
    again = copy.deepcopy(window)
    again.forget(min(earlier_us, since_us))
    for each in (window, again):
        each.forget(since_us)
        assert each.total == left
        assert all(at_us > since_us for at_us, _ in each.entries)
    assert str(window.total) == str(again.total)


@given(limit_sets, steps, small)
def test_room_is_free_at_the_time_the_reason_names(in_force, asked, wish):
    usage, now_us = Usage(limits=in_force[:1]), 0
    for now_us, *_ in run(usage, timed(asked)):  # noqa: B007 - the last time is needed after the loop
        pass
    said = limits.judge(usage, "healer", wish, now_us, shadowed=False)
    if said.ruling == "deny" and "room again at " in said.reason:
        free_us = parse_time(said.reason.partition("room again at ")[2])
        assert limits.judge(usage, "healer", wish, free_us, shadowed=False).ruling == "allow"
        assert limits.judge(usage, "healer", wish, free_us - 1, shadowed=False).ruling == "deny"
    elif said.ruling != "allow":
        assert said.ruling == "escalate"
        assert getattr(wish, in_force[0].measure) > in_force[0].most
        assert Check(in_force[0].id, said.checks[0].measured, said.checks[0].limit) in said.checks
