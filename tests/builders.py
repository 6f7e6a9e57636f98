"""Small builders for tests of the core: an ordinary proposal, verdict, state, policy, and what differs."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

import msgspec

from engine.adapters.cel_rules import CelRuleBook
from engine.core.decide import decide, in_order
from engine.core.evolve import evolve
from engine.core.gates.rules import Rule
from engine.core.policy import Policy
from engine.core.state import State, encode_state
from engine.core.vocabulary.actions import Running
from engine.core.vocabulary.facts import CapabilityPromoted, Fact, ProposalReceived
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.verdicts import Answer, Assessment, Risk, RiskLevel, Verdict, Wait
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy

NOON_US = 1_700_000_000_000_000
"""2023-11-14T22:13:20Z, a Tuesday."""


@functools.cache
def shipped() -> Policy:
    """The policy in `config/`, compiled once."""
    return build_policy(read_policy(SHIPPED_POLICY))


def changed(policy: Policy | None = None, **values: Any) -> Policy:
    """The shipped policy (or another) with some fields replaced; its hash is not computed again."""
    return msgspec.structs.replace(policy or shipped(), **values)


RESTART = Running(runner="shell", settings={}, timeout_us=60_000_000, idempotent=True, priority=3)


def performing(*names: str, run: Running = RESTART) -> Policy:
    """The shipped policy, under which we ourselves perform these actions. Its hash is not computed again."""
    actions = dict(shipped().actions)
    for name in names:
        actions[name] = msgspec.structs.replace(actions[name], run=run)
    return changed(actions=actions)


def impact(cost_usd: str | int = 0, files: int = 0, api_calls: int = 0) -> Impact:
    return Impact(cost_usd=Decimal(cost_usd), files=files, api_calls=api_calls)


def proposal(action: str = "cache.clear", args: dict[str, Any] | None = None, **values: Any) -> Proposal:
    """A small, sure proposal that the shipped policy allows."""
    given: dict[str, Any] = {
        "proposal_id": "p-1",
        "agent": "coder-1",
        "capability": "heal@1",
        "confidence": 0.9,
        "args": {"service": "web"} if args is None else args,
    }
    return Proposal(action=action, **given | values)


def promoted(capability: str = "heal@1", at_us: int = 0) -> CapabilityPromoted:
    return CapabilityPromoted(at_us=at_us, capability=capability, by="ann")


def state_under(policy: Policy | None = None, *facts: Fact, live: bool = True) -> State:
    """State after adopting a policy, with `heal@1` live unless told otherwise, and after these facts."""
    state = evolve(State(), (policy or shipped()).adopted(0))
    for fact in (*([promoted()] if live else []), *facts):
        evolve(state, fact)
    return state


def ask(
    asked: Proposal, state: State | None = None, policy: Policy | None = None, at_us: int = NOON_US
) -> Verdict:
    """Decide one proposal, as a driver would, without folding the verdict."""
    policy = policy or shipped()
    state = state if state is not None else state_under(policy)
    fact = ProposalReceived(at_us=at_us, proposal=asked)
    decisions = decide(policy, evolve(state, fact), fact)
    return decisions.facts[0].verdict


def answer(verdict: Verdict, gate: str) -> Answer:
    """What one gate said."""
    (found,) = [answer for answer in in_order(verdict) if answer.gate == gate]
    return found


def verdict(word: str = "allow", at_us: int = NOON_US, **values: Any) -> Verdict:
    """A verdict as facts carry it, for folding. Its assessment says nothing."""
    given: dict[str, Any] = {
        "decision_id": f"d_{at_us}",
        "proposal_id": f"p_{at_us}",
        "shadowed": False,
        "waits": (),
        "agent": "coder-1",
        "capability": "heal@1",
        "action": "cache.clear",
        "episode": "",
        "impact": Impact(),
        "digest": "00",
        "policy_hash": "00",
        "answers": (),
        "assessment": _EMPTY,
    }
    return Verdict(word=word, at_us=at_us, **given | values)


_EMPTY = Assessment(
    kind="write",
    risk=Risk(level=RiskLevel.SAFE, score=0, parts=()),
    shadow_rules=(),
    options=(),
    confidence=None,
    environment="",
    answers=(),
)


def snapshot_of(state: State) -> bytes:
    """The canonical bytes of a state, without changing it: encoding tidies up."""
    import copy

    return encode_state(copy.deepcopy(state))


def rule_book(*rules: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> CelRuleBook:
    """Compile `(condition, ruling)` or `(condition, ruling, other fields)`; ids are r0, r1 and so on."""
    compiled = []
    for position, (condition, ruling, *more) in enumerate(rules):
        given: dict[str, Any] = {
            "id": f"r{position}",
            "mode": "enforce",
            "reason": f"reason {position}",
            "wait": Wait(kind="person", role="responder"),
            "owner": "captain",
        }
        rule = Rule(ruling=ruling, **given | (more[0] if more else {}))
        compiled.append((rule, condition, f"rules.yaml:{position + 1}"))
    return CelRuleBook(compiled)
