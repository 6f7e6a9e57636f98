"""Decide: every gate is asked, the strictest answer wins, and a gate that breaks lets nothing through."""

import pytest

from engine.core import decide as page
from engine.core.decide import GATES, Decisions, decide
from engine.core.evolve import evolve
from engine.core.gates import (
    blast_radius,
    breaker,
    consensus,
    escalation,
    kill_switch,
    limits,
    risk,
    rollout,
    rules,
    validation,
)
from engine.core.provenance import heard
from engine.core.state import State
from engine.core.vocabulary.actions import RISK_LEVELS
from engine.core.vocabulary.chain import digest_of
from engine.core.vocabulary.effects import AskPeople, PerformAction
from engine.core.vocabulary.facts import (
    EpisodeClosed,
    KillSwitchSet,
    ProposalReceived,
    RolloutPaused,
    Scope,
    VerdictReached,
    decode,
    encode,
)
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.verdicts import Answer, Wait
from tests.builders import (
    NOON_US,
    RESTART,
    answer,
    ask,
    changed,
    impact,
    performing,
    promoted,
    proposal,
    rule_book,
    shipped,
    snapshot_of,
    state_under,
    verdict,
)

CAPTAIN = Wait(kind="person", role="captain")
RESPONDER = Wait(kind="person", role="responder")
MODULES = (
    blast_radius,
    breaker,
    consensus,
    escalation,
    kill_switch,
    limits,
    risk,
    rollout,
    rules,
    validation,
)


def effects(asked, state=None, policy=None):
    policy = policy or shipped()
    state = state if state is not None else state_under(policy)
    return decide(policy, state, ProposalReceived(at_us=NOON_US, proposal=asked)).effects


def test_only_proposals_ask_for_anything():
    assert decide(shipped(), state_under(), EpisodeClosed(at_us=0, episode="e")) == Decisions()


def test_every_gate_is_asked_exactly_once_and_read_in_order():
    decided = ask(proposal())
    assert tuple(said.gate for said in page.in_order(decided)) == GATES
    assert {module.GATE for module in MODULES} == set(GATES)


def test_the_verdict_says_what_was_asked_and_by_which_policy_it_was_decided():
    asked = proposal(episode="e-1", environment="staging", impact=impact(1, 2, 3))
    decided = ask(asked)
    assert decided.decision_id == decision_id("p-1")
    assert (decided.proposal_id, decided.at_us, decided.agent) == ("p-1", NOON_US, "coder-1")
    assert (decided.capability, decided.action, decided.episode) == ("heal@1", "cache.clear", "e-1")
    assert decided.impact == asked.impact
    assert decided.policy_hash == shipped().policy_hash
    assert decided.assessment.environment == "staging"
    assert decided.assessment.confidence == 0.9
    assert decided.assessment.kind == "write"
    assert ask(proposal("unknown.thing")).assessment.kind is None


def test_an_allowed_action_becomes_one_exact_request():
    asked = proposal("service.restart", {"service": "web"})
    (effect,) = effects(asked, policy=performing("service.restart"))
    assert effect == PerformAction(
        decision_id=decision_id("p-1"),
        proposal_id="p-1",
        agent="coder-1",
        capability="heal@1",
        action="service.restart",
        args={"service": "web"},
        digest=digest_of("service.restart", encode({"service": "web"})),
        undo="service.restart",
        run=RESTART,
        priority=3,
    )
    assert effect.idempotency_key == decision_id("p-1")
    assert effect.digest == ask(asked).digest


def test_an_action_without_an_undo_says_so():
    (effect,) = effects(proposal(), policy=performing("cache.clear"))
    assert effect.undo is None


def test_a_proposal_may_be_more_urgent_than_the_registry_says():
    (effect,) = effects(proposal(priority=-5), policy=performing("cache.clear"))
    assert effect.priority == -5


def test_what_the_agent_performs_itself_asks_nothing_of_the_world():
    assert ask(proposal()).word == "allow"
    assert effects(proposal()) == ()


def test_a_held_action_asks_people_once_with_every_reason():
    paused = RolloutPaused(at_us=0, capability="heal", reason="freeze", by="ann")
    (effect,) = effects(proposal(confidence=None), state_under(None, paused))
    assert isinstance(effect, AskPeople)
    assert effect.summary == "no confidence was given, under 70%; heal is paused: freeze (ann)"
    assert effect.waits == (RESPONDER, Wait(kind="resume", role="responder"))
    assert effect.idempotency_key == f"ask:{decision_id('p-1')}"


def test_a_denied_action_asks_nothing_of_the_world():
    assert effects(proposal("unknown.thing")) == ()


@pytest.mark.parametrize("confidence", [0.9, None])
def test_a_shadowed_verdict_asks_nothing_of_the_world(confidence):
    asked = proposal(confidence=confidence)
    assert ask(asked, state_under(live=False)).shadowed
    assert effects(asked, state_under(live=False)) == ()


def test_the_same_wait_is_named_once():
    decided = ask(
        proposal("payment.send", {"recipient": "x", "amount": 1, "currency": "EUR"}, confidence=None)
    )
    assert answer(decided, "risk").waits == answer(decided, "escalation").waits == (RESPONDER,)
    assert decided.waits == (RESPONDER,)


def test_a_denial_waits_for_nothing_even_when_other_gates_hold():
    decided = ask(proposal(confidence=None, impact=impact(101)))
    assert answer(decided, "escalation").waits
    assert (decided.word, decided.waits) == ("deny", ())


def broken(*_, **__):
    raise ZeroDivisionError("inside a gate")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.GATE)
def test_a_gate_that_raises_holds_for_the_captain(module, monkeypatch):
    assert ask(proposal()).word == "allow"
    monkeypatch.setattr(module, "judge", broken)
    decided = ask(proposal())
    said = answer(decided, module.GATE)
    assert decided.word == "hold"
    assert CAPTAIN in decided.waits
    assert said == Answer(
        gate=module.GATE,
        ruling="escalate",
        reason="the gate itself failed with ZeroDivisionError; a person must look",
        rule=f"{module.GATE}.failed",
        owner="captain",
        waits=(CAPTAIN,),
    )


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.GATE)
def test_a_gate_that_raises_does_not_soften_a_denial(module, monkeypatch):
    denied = proposal(impact=impact(0, 11)) if module is not blast_radius else proposal("no.such.action")
    monkeypatch.setattr(module, "judge", broken)
    assert ask(denied).word == "deny"


def test_all_gates_broken_at_once_still_hold(monkeypatch):
    for module in MODULES:
        monkeypatch.setattr(module, "judge", broken)
    decided = ask(proposal())
    assert (decided.word, decided.waits) == ("hold", (CAPTAIN,))
    assert len(page.in_order(decided)) == len(GATES)


def permissive():
    import msgspec

    return changed(
        rules=rule_book(),
        risk=msgspec.structs.replace(shipped().risk, rulings=dict.fromkeys(RISK_LEVELS, "allow")),
    )


def test_a_risk_that_cannot_be_measured_is_held_whatever_the_policy_allows(monkeypatch):
    assert ask(proposal(), policy=permissive()).word == "allow"
    monkeypatch.setattr(risk, "assess", broken)
    decided = ask(proposal(), policy=permissive())
    assert (decided.word, decided.waits) == ("hold", (CAPTAIN,))
    assert (decided.assessment.risk.level, decided.assessment.risk.score) == ("CRITICAL", 100)
    assert [part.name for part in decided.assessment.risk.parts] == ["unmeasured"]


def test_rules_take_an_unmeasured_risk_for_the_worst(monkeypatch):
    monkeypatch.setattr(risk, "assess", broken)
    decided = ask(proposal(environment="production"))
    assert answer(decided, "rules").rule == "destructive-in-production"


def test_provenance_that_raises_holds_as_its_rules_do(monkeypatch):
    monkeypatch.setattr(heard, "origins", broken)
    decided = ask(proposal())
    assert (decided.word, answer(decided, "rules").rule) == ("hold", "rules.failed")
    assert decided.assessment.shadow_rules == ()


def test_a_broken_rollout_gate_lets_nothing_be_executed(monkeypatch):
    monkeypatch.setattr(rollout, "judge", broken)
    assert not any(isinstance(effect, PerformAction) for effect in effects(proposal()))


def test_stopping_the_machine_is_not_swallowed(monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(limits, "judge", stopped)
    with pytest.raises(KeyboardInterrupt):
        ask(proposal())


def answers_of(*rulings):
    return tuple(
        Answer(gate=f"g{n}", ruling=ruling, rule=f"r{n}", waits=(Wait(kind="person", role=f"role{n}"),))
        for n, ruling in enumerate(rulings)
    )


def test_weighing_names_the_strictest_and_everything_that_objects():
    ruling, waits, against = page.weigh(answers_of("allow", "escalate", "consensus", "allow"))
    assert ruling == "consensus"
    assert [wait.role for wait in waits] == ["role1", "role2"]
    assert [tuple(getattr(o, f) for f in ("gate", "rule", "ruling")) for o in against] == [
        ("g1", "r1", "escalate"),
        ("g2", "r2", "consensus"),
    ]
    assert page.weigh(()) == page.weigh(answers_of("allow")) == ("allow", (), ())


def test_deciding_changes_nothing_in_state():
    state = state_under(None, KillSwitchSet(at_us=0, scope=Scope("agent", "x"), by="ann"))
    before = snapshot_of(state)
    for asked in (
        proposal(),
        proposal("unknown.thing"),
        proposal(confidence=None, impact=impact(60, 7, 500)),
    ):
        decide(shipped(), state, ProposalReceived(at_us=NOON_US, proposal=asked))
        assert snapshot_of(state) == before


def test_a_verdict_made_by_hand_reads_back():
    fact = VerdictReached(at_us=NOON_US, verdict=verdict("hold"))
    assert decode(encode(fact)) == fact


def test_a_policy_that_was_never_adopted_holds_everything():
    asked = ProposalReceived(at_us=NOON_US, proposal=proposal())
    state = evolve(State(), promoted())
    (fact,) = decide(shipped(), state, asked).facts
    verdict = fact.verdict
    assert (verdict.word, verdict.answers[2].rule) == ("hold", "limits.adopted")
    assert Wait(kind="person", role="captain") in verdict.waits
