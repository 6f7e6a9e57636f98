"""Presence: where a captain must be there, autonomy stops by itself when none was seen for too long."""

from engine.core.decide import decide
from engine.core.evolve import evolve
from engine.core.vocabulary.facts import KillSwitchSet, PersonSeen, Scope, TimePassed
from engine.core.vocabulary.units import HOUR_US
from tests.builders import changed, state_under

WATCHED = changed(captain_unseen_us=HOUR_US)


def tick(at_us):
    return TimePassed(at_us=at_us, schedule="minute")


def seen(at_us, role="captain"):
    return PersonSeen(at_us=at_us, person="ann", role=role)


def after(*history, policy=WATCHED):
    state = state_under(policy, *history)
    return decide(policy, state, history[-1]).facts


def test_an_hour_without_a_captain_stops_everything():
    (stop,) = after(seen(0), tick(HOUR_US))
    assert isinstance(stop, KillSwitchSet)
    assert (stop.scope, stop.by) == (Scope("all"), "dead-man")
    assert stop.reason == "no captain was seen for 1 h"


def test_a_moment_less_does_not():
    assert after(seen(0), tick(HOUR_US - 1)) == ()


def test_where_no_captain_was_ever_seen_time_counts_from_the_first_tick():
    assert after(tick(5 * HOUR_US)) == ()
    assert after(tick(5 * HOUR_US), tick(6 * HOUR_US))


def test_a_responder_is_not_a_captain():
    assert after(seen(0), seen(HOUR_US - 1, "responder"), tick(HOUR_US))


def test_a_captain_who_comes_by_is_enough():
    assert after(seen(0), seen(HOUR_US - 1), tick(HOUR_US)) == ()


def test_nobody_is_needed_unless_the_policy_says_so():
    assert after(seen(0), tick(1000 * HOUR_US), policy=changed()) == ()


def test_a_stop_that_stands_is_not_set_again():
    stop = KillSwitchSet(at_us=1, scope=Scope("all"), by="ann")
    assert after(seen(0), stop, tick(HOUR_US)) == ()


def test_state_remembers_who_was_seen_and_when():
    state = evolve(evolve(state_under(), seen(1)), seen(7, "viewer"))
    assert state.presence.by_person == {"ann": 7}
    assert state.presence.captain_us == 1
