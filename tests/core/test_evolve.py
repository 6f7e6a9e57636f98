"""Evolve and state: what each fact changes, and how state is written and read."""

import hashlib
import os
import random
import subprocess
import sys
from collections import OrderedDict

import msgspec
import pytest

from engine.core.evolve import FOLDS, KEYED, evolve
from engine.core.signals import Signal
from engine.core.state import State, absorb, decode_state, encode_state, state_hash
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US
from engine.core.vocabulary.verdicts import Wait
from tests.builders import (
    NOON_US,
    changed,
    impact,
    promoted,
    proposal,
    shipped,
    snapshot_of,
    state_under,
    verdict,
)
from tests.fold_lines import fold
from tests.house.tree import ROOT

HELD = Wait(kind="person", role="captain")


def held(at_us, number=0, hold_us=None):
    return f.VerdictReached(
        at_us=at_us, verdict=verdict("hold", at_us, decision_id=f"d_{number}_{at_us}", waits=(HELD,))
    )


def test_time_is_the_latest_any_fact_carried_and_never_goes_back():
    state = evolve(State(), f.EpisodeClosed(at_us=7, episode="e"))
    evolve(state, f.EpisodeClosed(at_us=3, episode="e"))
    assert state.now_us == 7


def test_evolve_returns_the_state_it_was_given():
    state = State()
    assert evolve(state, f.EpisodeClosed(at_us=7, episode="e")) is state


def test_a_proposal_alone_changes_nothing_but_time():
    state = state_under()
    before = snapshot_of(state)
    evolve(state, f.ProposalReceived(at_us=0, proposal=proposal()))
    assert snapshot_of(state) == before


def test_adopting_a_policy_tells_state_all_it_must_know():
    state = evolve(State(), shipped().adopted(5))
    assert state.policy_hash == shipped().policy_hash
    assert state.usage.limits == shipped().limits
    assert state.breakers.settings == shipped().breaker
    assert (state.holds.hold_us, state.episodes.idle_us) == (DAY_US, DAY_US)


def test_a_held_verdict_waits_until_its_time_is_over():
    state = evolve(state_under(), held(NOON_US))
    (hold,) = state.holds.by_id.values()
    assert (hold.since_us, hold.until_us) == (NOON_US, NOON_US + DAY_US)
    assert (hold.agent, hold.action, hold.waits, hold.shadowed) == ("coder-1", "cache.clear", (HELD,), False)
    evolve(state, held(NOON_US + DAY_US - 1, 1))
    assert len(state.holds.by_id) == 2
    for late_us in (DAY_US, DAY_US + HOUR_US - 1):
        # A tick that ends it in the journal may still come.
        evolve(state, f.VerdictReached(at_us=0, verdict=verdict("deny", NOON_US + late_us)))
        assert len(state.holds.by_id) == 2
    evolve(state, f.VerdictReached(at_us=0, verdict=verdict("deny", NOON_US + DAY_US + HOUR_US)))
    assert list(state.holds.by_id) == [f"d_1_{NOON_US + DAY_US - 1}"]


@pytest.mark.parametrize("word", ["allow", "deny"])
def test_only_a_held_verdict_waits(word):
    state = evolve(state_under(), f.VerdictReached(at_us=0, verdict=verdict(word, 0)))
    assert state.holds.by_id == {}


def test_encoding_lets_go_of_no_hold_that_a_tick_may_still_end():
    state = evolve(state_under(), held(NOON_US))
    evolve(state, f.EpisodeClosed(at_us=NOON_US + 2 * DAY_US, episode="e"))
    assert b"d_0_" in encode_state(state)


def test_what_began_together_is_let_go_alike_before_and_after_it_was_read_back():
    shorter = changed(hold_us=HOUR_US).adopted(NOON_US)
    state = evolve(evolve(evolve(state_under(), held(NOON_US)), shorter), held(NOON_US, 1))
    late = f.VerdictReached(at_us=0, verdict=verdict("deny", NOON_US + 2 * HOUR_US))
    again = evolve(decode_state(encode_state(state)), late)
    assert list(evolve(state, late).holds.by_id) == list(again.holds.by_id) == [f"d_0_{NOON_US}"]


def test_a_series_is_summed_up_without_being_kept():
    state = State()
    for at_us, value in enumerate([2.0, 4.0, 9.0]):
        evolve(state, f.MetricObserved(at_us=at_us, series="cpu", value=value))
    signal = state.signals.by_series["cpu"]
    assert (signal.count, signal.last, signal.last_us, signal.mean) == (3, 9.0, 2, 5.0)
    assert signal.deviation == pytest.approx(13**0.5)
    assert Signal(1, 2.0, 0, 2.0, 0.0).deviation is None


def test_a_metric_too_large_to_be_summed_is_refused():
    line = b'{"fact":"metric_observed","at_us":0,"series":"x","value":1e141}'
    with pytest.raises(msgspec.ValidationError, match="value"):
        f.decode(line)


def test_equal_states_have_equal_bytes_whatever_came_first():
    facts = [promoted("heal@1"), promoted("deploy@1")]
    facts += [f.MetricObserved(at_us=0, series=name, value=1.0) for name in "ab"]
    one, other = state_under(None, *facts, live=False), state_under(None, *reversed(facts), live=False)
    assert encode_state(one) == encode_state(other)
    assert state_hash(one) == state_hash(other) == hashlib.sha256(encode_state(one)).hexdigest()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"now_us":"x"}', b'{"usage":{"live":{"a":5}}}'])
def test_bytes_that_are_no_state_are_refused(body):
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        decode_state(body)


def test_state_refuses_to_write_what_it_could_not_read_back():
    state = State()
    state.signals.by_series["x"] = object()
    with pytest.raises(TypeError, match="state must not hold a object"):
        encode_state(state)


def test_holds_are_read_back_in_the_order_in_which_they_began():
    state = state_under()
    for number, at_us in ((9, NOON_US), (5, NOON_US + 1), (7, NOON_US + 2)):
        evolve(state, held(at_us, number))
    again = decode_state(encode_state(state))
    assert list(again.holds.by_id) == list(state.holds.by_id)


def test_the_hold_that_waits_longest_is_found_at_once_also_after_a_restart():
    assert isinstance(State().holds.by_id, OrderedDict)
    assert isinstance(decode_state(encode_state(State())).holds.by_id, OrderedDict)


def test_absorbing_takes_the_keyed_slices_and_the_later_time():
    apart = State()
    evolve(apart, f.MessageObserved(at_us=9, episode="e", source="person", text="ann@example.com"))
    evolve(apart, f.MetricObserved(at_us=9, series="cpu", value=1.0))
    whole = evolve(State(), f.MetricObserved(at_us=3, series="errors", value=1.0))
    absorb(whole, apart)
    assert (whole.now_us, sorted(whole.signals.by_series), list(whole.episodes.by_id)) == (
        9,
        ["cpu", "errors"],
        ["e"],
    )


def test_every_keyed_fact_is_folded():
    assert set(KEYED) <= FOLDS.keys()


def longer_memory():
    return changed(
        policy_hash="longer",
        limits=tuple(
            msgspec.structs.replace(limit, window_us=limit.window_us * 1000) for limit in shipped().limits
        ),
        episode_idle_us=10 * DAY_US,
    )


@pytest.mark.parametrize("snapshots", [frozenset(), frozenset({3}), frozenset({0, 1, 2, 3, 4})])
def test_a_longer_memory_does_not_bring_back_what_was_forgotten(snapshots):
    args = {"service": "ann@example.com"}
    history = [
        shipped().adopted(NOON_US),
        promoted("heal@1", NOON_US),
        f.MessageObserved(at_us=NOON_US, episode="e", source="person", text="ann@example.com"),
        f.ProposalReceived(at_us=NOON_US, proposal=proposal(impact=impact(9, 9, 99))),
        f.EpisodeClosed(at_us=NOON_US + DAY_US + HOUR_US, episode="another"),
        longer_memory().adopted(NOON_US + DAY_US + 2 * HOUR_US),
        f.ProposalReceived(
            at_us=NOON_US + DAY_US + 2 * HOUR_US + MINUTE_US,
            proposal=proposal(args=args, episode="e", proposal_id="p-2", impact=impact(1, 1, 1)),
        ),
    ]
    state, first = fold(shipped(), history[:5], snapshots=snapshots)
    state, second = fold(longer_memory(), history[5:], snapshots=snapshots, state=state)
    plain_state, plain_first = fold(shipped(), history[:5])
    plain_state, plain_second = fold(longer_memory(), history[5:], state=plain_state)
    assert first + second == plain_first + plain_second
    assert encode_state(state) == encode_state(plain_state)
    (last,) = (f.decode(line).verdict for line in second)
    (checked,) = [said for said in last.answers if said.gate == "limits"]
    assert {check.measured for check in checked.checks} == {"1", 1}


def made_up_history(seed, count=400):
    """A long history drawn from a seed, with many names, so that sets and maps have an order to get wrong."""
    chance = random.Random(seed)
    at_us, names = NOON_US, [f"name-{n}" for n in range(40)]
    history = [shipped().adopted(at_us), *(promoted(f"{name}@1", at_us) for name in names[:20])]
    for number in range(count):
        at_us += chance.choice([0, 1, 10**6, 10**8])
        name, text = (
            chance.choice(names),
            f"{chance.choice(names)}@example.com www.{chance.choice(names)}.org",
        )
        history.append(
            chance.choice(
                [
                    f.MessageObserved(
                        at_us=at_us, episode=name, source=chance.choice(["person", "tool"]), text=text
                    ),
                    f.MetricObserved(at_us=at_us, series=name, value=chance.random()),
                    f.RolloutPaused(at_us=at_us, capability=name, reason=chance.choice(names), by="ann"),
                    f.KillSwitchSet(at_us=at_us, scope=f.Scope("agent", name), by="ann"),
                    f.OutcomeReported(
                        at_us=at_us,
                        proposal_id=f"p-{number}",
                        agent=name,
                        capability=f"{name}@1",
                        action="cache.clear",
                        ok=chance.random() < 0.2,
                        by="executor",
                    ),
                    f.ProposalReceived(
                        at_us=at_us,
                        proposal=proposal(
                            chance.choice(["cache.clear", "email.send", "unknown.thing"]),
                            {"to": text, "b": {"z": text, "a": text}},
                            proposal_id=f"p-{number}",
                            agent=name,
                            capability=f"{chance.choice(names)}@1",
                            episode=chance.choice(names),
                            impact=impact("0.10", chance.randrange(7)),
                        ),
                    ),
                ]
            )
        )
    return history


def test_nothing_hangs_on_the_hash_seed():
    lines = b"\n".join(map(f.encode, made_up_history(7)))
    printed = set()
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.fold_lines"],
            input=lines,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        printed.add(done.stdout)
    assert len(printed) == 1
    state, verdicts = fold(shipped(), f.decode_lines(lines))
    digest = hashlib.sha256(b"\n".join(verdicts)).hexdigest()
    assert printed == {f"{state_hash(state)} {digest} {len(verdicts)}\n".encode()}
    assert len(verdicts) > 40


def test_the_hash_seed_check_can_fail():
    """Another history gives another line, so equal lines above mean something."""
    one, other = (fold(shipped(), made_up_history(seed, 100)) for seed in (7, 8))
    assert state_hash(one[0]) != state_hash(other[0])
    assert one[1] != other[1]
