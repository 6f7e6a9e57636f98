"""Every state of a rollout against everything that can happen: no way to more authority without evidence.

States are every stage with every combination of what is there and what is missing, stopped or not, paused or
not, automatic or not. Events are what an engine may be told, in ones and in pairs, and a crash between them.
Whether a step was right is judged by the test's own short rules, not by the product's.
"""

import itertools

import msgspec
import pytest

from engine.core.decide import FOLLOWED, decide
from engine.core.evolve import evolve
from engine.core.state import State, decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.rollouts import ORDER, Evidence, RolloutSettings
from engine.core.vocabulary.units import DAY_US, MINUTE_US
from engine.core.work.rollout.candidates import Candidate
from tests.builders import changed, verdict
from tests.courses import NAME, NEW, OLD, QUICK

pytestmark = pytest.mark.unmeasured

NOW_US = 100 * DAY_US
HARM = [0.0, 0.0, 1.0, 0.0, *([1e6] * 5)]
FLAGS = ("days", "time", "episodes", "evidence", "replay")
DOUBTS = ("fine", "harm", "breach", "mixed_up")


def replayed(ok=True, at_us=NOW_US - DAY_US):
    return f.CapabilityReplayed(
        at_us=at_us,
        capability=NEW,
        recording="aa",
        journal_hash="bb",
        policy_hash="cc",
        decisions=50,
        allowed=50,
        failed=0,
        unsafe=0 if ok else 1,
        from_us=0,
        until_us=1,
        by="ann",
    )


def policy(automatic):
    plan = msgspec.structs.replace(QUICK, automatic=automatic)
    return changed(limits=(), rollouts=RolloutSettings(plan=plan, established=(OLD,)))


POLICIES = {automatic: policy(automatic) for automatic in (False, True)}


def situation(stage, there, doubt, *, stopped, paused, automatic):
    """One state, built from what its flags say."""
    state = evolve(State(), POLICIES[automatic].adopted(0))
    state.now_us = NOW_US
    if there["replay"]:
        evolve(state, replayed())
    if stage not in {"unproven", "replayed"}:
        # Enough of whatever each stage asks for, or one less.
        episodes = QUICK.shadow_episodes if stage == "shadow" else QUICK.canary_episodes
        candidate = Candidate(
            capability=NEW,
            stage=stage,
            since_us=NOW_US - (3 * DAY_US if there["time"] else DAY_US),
            days=3 if there["days"] else 1,
            compared=episodes if there["episodes"] else episodes - 1,
            canary=episodes if there["episodes"] else episodes - 1,
            agreement=[50.0 if there["evidence"] else 1.0, 0.0, 0.0],
            good=[50.0 if there["evidence"] else 1.0, 0.0, 0.0],
            breach="it did what it never may" if doubt == "breach" else "",
            mixed_up="arms are mixed up" if doubt == "mixed_up" else "",
        )
        if doubt == "harm":
            candidate.bad = HARM[: len(candidate.bad)]
        state.rollouts.candidates[NAME] = candidate
        if stage == "live":
            state.rollouts.live[NAME], candidate.before = NEW, OLD
    if stopped:
        evolve(state, f.KillSwitchSet(at_us=NOW_US, scope=f.Scope("capability", NAME), by="ann"))
    if paused:
        evolve(state, f.RolloutPaused(at_us=NOW_US, capability=NAME, reason="freeze", by="ann"))
    return state


def authority(state):
    """How much of the work this version does: its place on the way, which only acting stages have."""
    candidate = state.rollouts.candidates.get(NAME)
    if state.rollouts.live.get(NAME) == NEW:
        return len(ORDER)
    if candidate is None or candidate.capability != NEW or candidate.share == 0:
        return 0
    return ORDER.index(candidate.stage)


def outcome(**values):
    given = {
        "at_us": NOW_US,
        "proposal_id": "p-late",
        "agent": "coder-1",
        "capability": NEW,
        "action": "cache.clear",
        "ok": True,
        "by": "executor",
    }
    return f.OutcomeReported(**given | values)


EVENTS = {
    "asked": f.PromotionAsked(at_us=NOW_US, capability=NEW, by="ann"),
    "asked for another": f.PromotionAsked(at_us=NOW_US, capability="heal@3", by="ann"),
    "asked for the incumbent": f.PromotionAsked(at_us=NOW_US, capability=OLD, by="ann"),
    "a minute": f.TimePassed(at_us=NOW_US + MINUTE_US, schedule="minute"),
    "the clock jumps ten years": f.TimePassed(at_us=NOW_US + 3650 * DAY_US, schedule="minute"),
    "an outcome nobody waits for": outcome(),
    "the same again, and bad": outcome(ok=False),
    "one from the incumbent": outcome(by="incumbent"),
    "an effect nobody knows the end of": f.EffectEnded(
        at_us=NOW_US,
        effect_id="d_9",
        decision_id="d_9",
        kind="perform",
        proposal_id="p-9",
        agent="coder-1",
        capability=NEW,
        action="cache.clear",
        token=1,
        status="unknown",
        result=Result(success=False, execution_time_s=0.0),
    ),
    "a verdict": f.VerdictReached(
        at_us=NOW_US, verdict=verdict("allow", NOW_US, capability=NEW, shadowed=True)
    ),
    "people act": f.IncumbentActed(
        at_us=NOW_US, episode="e", capability=NAME, action="cache.clear", ok=True, by="ann"
    ),
    "a bad replay": replayed(ok=False, at_us=NOW_US),
    "a good replay": replayed(at_us=NOW_US),
    "stop": f.KillSwitchSet(at_us=NOW_US, scope=f.Scope("all"), by="ann"),
    "go on": f.KillSwitchCleared(at_us=NOW_US, scope=f.Scope("capability", NAME), by="ann"),
    "pause": f.RolloutPaused(at_us=NOW_US, capability=NAME, reason="other", by="ann"),
    "resume": f.RolloutResumed(at_us=NOW_US, capability=NAME, reason="freeze", by="ann"),
    "abort": f.RolloutAborted(at_us=NOW_US, capability=NAME, by="ann"),
    "a restart with the same plans": None,
}


def happen(state, event, which):
    """Let one thing happen, with everything that follows; a crash is a state read back from its bytes."""
    if event is None:
        state = decode_state(encode_state(state))
        evolve(state, which.adopted(NOW_US))
        return state, []
    evolve(state, event)
    following, told = [event], []
    while following:
        for consequence in decide(which, state, following.pop(0)).facts:
            evolve(state, consequence)
            told.append(consequence)
            if isinstance(consequence, FOLLOWED):
                following.append(consequence)
    return state, told


def may_rise(state, there, doubt, event, which, at_us):
    """Say by rules of the test's own whether more authority was earned."""
    stopped = bool(state.stops.by_scope)
    paused = NAME in state.rollouts.paused
    candidate = state.rollouts.candidates.get(NAME)
    if stopped or paused or candidate is None or candidate.stage not in {"shadow", *ORDER[3:6]}:
        return False
    if candidate.stage != "shadow" and doubt != "fine":
        return False
    asked = isinstance(event, f.PromotionAsked) and event.capability == NEW
    if not asked and not which.rollouts.plan.automatic:
        return False
    needed = FLAGS if candidate.stage == "shadow" else ("episodes", "evidence")
    stale = at_us - NOW_US > QUICK.replay_age_us
    if candidate.stage == "shadow" and (stale or isinstance(event, f.CapabilityReplayed)):
        return False
    # Time goes on by itself; everything else must have been there.
    long_enough = at_us - candidate.since_us >= QUICK.shadow_us
    return all(there[flag] or (flag == "time" and long_enough) for flag in needed)


def situations():
    for stage in (*ORDER, "rolled_back"):
        for values in itertools.product((True, False), repeat=len(FLAGS)):
            there = dict(zip(FLAGS, values, strict=True))
            for doubt, stopped, paused, automatic in itertools.product(
                DOUBTS, (False, True), (False, True), (False, True)
            ):
                yield stage, there, doubt, stopped, paused, automatic


def test_no_single_event_raises_authority_without_evidence():
    risen = seen = 0
    for stage, there, doubt, stopped, paused, automatic in situations():
        which = POLICIES[automatic]
        for name, event in EVENTS.items():
            state = situation(stage, there, doubt, stopped=stopped, paused=paused, automatic=automatic)
            before = authority(state)
            at_us = event.at_us if event is not None else NOW_US
            # What the event itself lifts is lifted before the step is judged.
            probe = situation(stage, there, doubt, stopped=stopped, paused=paused, automatic=automatic)
            if isinstance(event, f.KillSwitchCleared | f.RolloutResumed):
                evolve(probe, event)
            earned = may_rise(probe, there, doubt, event, which, at_us)
            state, told = happen(state, event, which)
            seen += 1
            if authority(state) > before:
                risen += 1
                assert earned, (stage, there, doubt, stopped, paused, automatic, name, told)
    assert seen == 8 * 32 * 4 * 8 * len(EVENTS)
    assert risen > 0, "a check in which nobody ever rises checks nothing"


PAIRED = ("asked", "stop", "abort", "pause", "a minute", "a bad replay", "an outcome nobody waits for")


@pytest.mark.long
def test_no_pair_of_events_in_either_order_raises_authority_behind_a_stop_or_an_end():
    for stage, there, doubt, stopped, paused, automatic in situations():
        which = POLICIES[automatic]
        for first, second in itertools.permutations(PAIRED, 2):
            if "stop" not in {first, second} and "abort" not in {first, second}:
                continue
            state = situation(stage, there, doubt, stopped=stopped, paused=paused, automatic=automatic)
            state, _ = happen(state, EVENTS[first], which)
            between = authority(state)
            state = decode_state(encode_state(state))
            state, told = happen(state, EVENTS[second], which)
            if first in {"stop", "abort"}:
                assert authority(state) <= between, (stage, there, first, second, told)
            if "abort" in {first, second} and second != "asked":
                assert authority(state) == 0, (stage, there, first, second, told)


def test_harm_a_breach_and_an_abort_end_it_from_every_acting_stage():
    for stage in ORDER[3:]:
        for doubt, event in (("harm", "a minute"), ("breach", "a minute"), ("fine", "abort")):
            there = dict.fromkeys(FLAGS, True)
            for stopped, paused in itertools.product((False, True), repeat=2):
                state = situation(stage, there, doubt, stopped=stopped, paused=paused, automatic=False)
                state, _ = happen(state, EVENTS[event], POLICIES[False])
                assert authority(state) == 0
                assert state.rollouts.live.get(NAME) == OLD


def test_the_check_can_fail():
    """A machine that promotes whatever is asked for is caught by the very same comparison."""
    there = dict.fromkeys(FLAGS, False)
    state = situation("canary_1", there, "fine", stopped=False, paused=False, automatic=False)
    asked = EVENTS["asked"]
    assert not may_rise(state, there, "fine", asked, POLICIES[False], NOW_US)
    before = authority(state)
    evolve(
        state,
        f.StageChanged(
            at_us=NOW_US,
            capability=NEW,
            was="canary_1",
            now="canary_10",
            by="ann",
            reason="",
            evidence=Evidence(since_us=0),
        ),
    )
    assert authority(state) > before
