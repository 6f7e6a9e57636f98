"""The kill switch gate: what a stop covers, and what its answer names."""

import pytest
from msgspec import ValidationError

from engine.core.gates import kill_switch
from engine.core.vocabulary.facts import KillSwitchCleared, KillSwitchSet, Scope, decode
from tests.builders import NOON_US, answer, ask, proposal, state_under


def stop(scope, at_us=NOON_US, by="ann", reason=""):
    return KillSwitchSet(at_us=at_us, scope=scope, by=by, reason=reason)


def cleared(scope):
    return KillSwitchCleared(at_us=NOON_US, scope=scope, by="ben")


def judged(*facts, agent="coder-1", capability="heal@1", action="cache.clear"):
    return kill_switch.judge(state_under(None, *facts).stops, agent, capability, action)


def test_without_a_stop_it_allows_and_says_nothing():
    said = judged()
    assert (said.ruling, said.reason, said.rule, said.owner) == ("allow", "", "kill_switch", "captain")


@pytest.mark.parametrize(
    "scope",
    [
        Scope("all"),
        Scope("agent", "coder-1"),
        Scope("capability", "heal"),
        Scope("capability", "heal@1"),
        Scope("action", "cache.clear"),
    ],
    ids=str,
)
def test_each_kind_of_stop_denies_what_it_covers_and_names_itself(scope):
    said = judged(stop(scope, reason="strange payments"))
    assert said.ruling == "deny"
    assert said.rule == f"kill_switch.{scope}"
    assert said.owner == "captain"
    assert said.reason == f"ann stopped {scope} at 2023-11-14T22:13:20Z: strange payments"
    assert said.waits == ()


def test_a_stop_without_a_reason_ends_after_its_time():
    assert judged(stop(Scope("all"))).reason == "ann stopped all at 2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    "scope",
    [
        Scope("agent", "coder-2"),
        Scope("agent", "coder-11"),
        Scope("agent", "heal"),
        Scope("capability", "heal@2"),
        Scope("capability", "healer"),
        Scope("capability", "coder-1"),
        Scope("action", "cache"),
        Scope("action", "heal"),
    ],
    ids=str,
)
def test_a_stop_of_another_name_or_kind_does_not_leak(scope):
    assert judged(stop(scope)).ruling == "allow"


def test_the_widest_stop_speaks_first():
    scopes = [
        Scope("action", "cache.clear"),
        Scope("capability", "heal"),
        Scope("agent", "coder-1"),
        Scope("all"),
    ]
    for upto in range(1, len(scopes) + 1):
        said = judged(*map(stop, scopes[:upto]))
        assert said.rule == f"kill_switch.{scopes[upto - 1]}"


def test_clearing_lifts_exactly_its_own_scope():
    both = (stop(Scope("all")), stop(Scope("agent", "coder-1")))
    assert judged(*both, cleared(Scope("all"))).rule == "kill_switch.agent:coder-1"
    assert judged(*both, cleared(Scope("agent", "coder-1"))).rule == "kill_switch.all"
    assert judged(*both, cleared(Scope("all")), cleared(Scope("agent", "coder-1"))).ruling == "allow"


def test_clearing_what_is_not_stopped_changes_nothing():
    assert judged(cleared(Scope("all"))).ruling == "allow"


def test_setting_a_stop_again_keeps_the_newest_reason():
    said = judged(stop(Scope("all"), by="ann", reason="old"), stop(Scope("all"), by="ben", reason="new"))
    assert said.reason.startswith("ben stopped all")
    assert said.reason.endswith(": new")


def test_a_capability_stop_of_one_version_leaves_the_next_version_alone():
    assert judged(stop(Scope("capability", "heal@1")), capability="heal@2").ruling == "allow"
    assert judged(stop(Scope("capability", "heal")), capability="heal@2").ruling == "deny"


def test_a_stop_denies_the_whole_verdict():
    decided = ask(proposal(), state_under(None, stop(Scope("all"))))
    assert decided.word == "deny"
    assert answer(decided, "kill_switch").ruling == "deny"


@pytest.mark.parametrize("scope", ['["all","everything"]', '["agent",""]', '["agent"]', '["capability",""]'])
def test_a_scope_that_would_cover_nothing_is_refused_at_the_door(scope):
    with pytest.raises(ValidationError, match="a stop of kind"):
        decode(f'{{"fact":"kill_switch_set","at_us":0,"scope":{scope},"by":"ann"}}')


@pytest.mark.parametrize("at_us", [10**18, -(10**18), 2**63])
def test_a_stop_with_an_absurd_time_still_denies(at_us):
    assert judged(stop(Scope("all"), at_us=at_us)).ruling == "deny"
