"""The rollout gate: shadow until promoted, held while anybody has a reason to hold."""

import pytest

from engine.core.gates import rollout
from engine.core.vocabulary.facts import CapabilityDemoted, CapabilityPromoted, RolloutPaused, RolloutResumed
from engine.core.vocabulary.verdicts import Wait
from engine.core.work.rollout import stages
from engine.core.work.rollout.assignment import standing
from engine.core.work.rollout.candidates import Rollouts
from tests.builders import answer, ask, proposal, state_under

RESUME = Wait(kind="resume", role="responder")


def promoted(capability):
    return stages.fold_promoted, CapabilityPromoted(at_us=0, capability=capability, by="ann")


def demoted(name):
    return stages.fold_demoted, CapabilityDemoted(at_us=0, capability=name, by="ann")


def paused(reason, by="ann", name="heal"):
    return stages.fold_paused, RolloutPaused(at_us=0, capability=name, reason=reason, by=by)


def resumed(reason, name="heal"):
    return stages.fold_resumed, RolloutResumed(at_us=0, capability=name, reason=reason, by="ben")


def judged(*steps, capability="heal@1"):
    rollouts = Rollouts()
    for fold, fact in steps:
        fold(rollouts, fact)
    stands = standing(rollouts, capability, "cache.clear", "episode", safe=False)
    return rollout.judge(stands, capability, "captain")


def test_what_was_never_promoted_is_allowed_in_shadow_only():
    said = judged()
    assert (said.ruling, said.shadowed) == ("allow", True)
    assert said.reason == "the capability has not earned authority: decided and logged, not executed"
    assert (said.rule, said.owner, said.waits) == ("rollout.stage", "captain", ())


def test_what_was_promoted_is_executed():
    said = judged(promoted("heal@1"))
    assert (said.ruling, said.shadowed, said.reason, said.rule, said.owner) == (
        "allow",
        False,
        "",
        "rollout.stage",
        "captain",
    )


def test_only_this_version_was_promoted():
    for other in ("heal@2", "heal@10", "heal", "healer@1", "deploy@1"):
        assert judged(promoted("heal@1"), capability=other).shadowed


def test_promoting_the_next_version_sends_the_last_one_back():
    steps = promoted("heal@1"), promoted("heal@2")
    assert judged(*steps, capability="heal@1").shadowed
    assert not judged(*steps, capability="heal@2").shadowed


def test_a_capability_without_a_version_can_be_live_too():
    assert not judged(promoted("bare"), capability="bare").shadowed


def test_demoting_sends_every_version_back_and_no_other_capability():
    steps = promoted("heal@1"), promoted("deploy@1"), demoted("heal")
    assert judged(*steps).shadowed
    assert not judged(*steps, capability="deploy@1").shadowed
    assert judged(demoted("heal")).shadowed


def test_a_pause_holds_and_names_every_reason_and_who_gave_it():
    said = judged(promoted("heal@1"), paused("freeze", "ben"), paused("budget", "ann"))
    assert (said.ruling, said.shadowed) == ("escalate", False)
    assert said.reason == "heal is paused: budget (ann); freeze (ben)"
    assert (said.rule, said.owner, said.waits) == ("rollout.paused", "responder", (RESUME,))


def test_a_pause_holds_every_version_also_in_shadow():
    for capability in ("heal@1", "heal@2", "heal"):
        said = judged(promoted("heal@1"), paused("freeze"), capability=capability)
        assert (said.ruling, said.shadowed) == ("escalate", capability != "heal@1")
    assert judged(paused("freeze"), capability="deploy@1").ruling == "allow"


def test_resuming_lifts_only_its_own_reason():
    steps = paused("freeze"), paused("incident")
    assert "freeze" not in judged(*steps, resumed("freeze")).reason
    assert judged(*steps, resumed("freeze")).ruling == "escalate"
    assert judged(*steps, resumed("freeze"), resumed("incident")).ruling == "allow"


def test_resuming_what_is_not_paused_changes_nothing():
    assert judged(resumed("freeze")).ruling == "allow"
    assert judged(paused("incident"), resumed("freeze")).ruling == "escalate"
    assert (
        judged(paused("freeze", name="deploy"), resumed("freeze"), capability="deploy@1").ruling == "escalate"
    )


def test_giving_a_reason_again_keeps_the_newest_giver():
    assert judged(paused("freeze", "ann"), paused("freeze", "ben")).reason == "heal is paused: freeze (ben)"


def test_a_pause_outlives_promotion_and_demotion():
    assert judged(paused("freeze"), promoted("heal@2"), capability="heal@2").ruling == "escalate"
    assert judged(promoted("heal@1"), paused("freeze"), demoted("heal")).ruling == "escalate"


@pytest.mark.parametrize("spelled", ["heal", "heal@1", "heal@2"])
def test_stopping_a_name_spelled_with_a_version_is_not_a_stop_of_nothing(spelled):
    assert judged(paused("freeze", name=spelled)).ruling == "escalate"
    assert judged(promoted("heal@1"), demoted(spelled)).shadowed
    assert judged(paused("freeze"), resumed("freeze", name=spelled)).ruling == "allow"


def test_a_paused_capability_holds_the_whole_verdict():
    _, fact = paused("freeze")
    decided = ask(proposal(), state_under(None, fact))
    assert (decided.word, decided.waits) == ("hold", (RESUME,))


def test_a_capability_in_shadow_gives_a_shadowed_verdict():
    assert ask(proposal(), state_under(live=False)).shadowed
    assert not ask(proposal(), state_under()).shadowed
    assert answer(ask(proposal(), state_under(live=False)), "rollout").shadowed
