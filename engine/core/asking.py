"""Asking: each gate by itself, so that one that fails cannot keep the others from answering."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVarTuple, Unpack

from msgspec import UNSET

from engine.core import calibrations
from engine.core.gates import escalation, limits, risk, rules, validation
from engine.core.policy import Arguments, Policy, Remembered, Risked
from engine.core.provenance import heard, wanted
from engine.core.provenance.heard import Episodes
from engine.core.state import State
from engine.core.vocabulary.actions import Action, RiskLevel
from engine.core.vocabulary.arguments import texts_of
from engine.core.vocabulary.chain import digest_of
from engine.core.vocabulary.competing import Touches, resource_of
from engine.core.vocabulary.facts import encode
from engine.core.vocabulary.ids import CapabilityId, DecisionId, RuleId
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.verdicts import Answer, Risk, RiskFound, RiskPart, Wait
from engine.core.work import competing

FAILED = ".failed"
"""How the rule of an answer ends whose gate failed."""
_SHORT = 512
"""Longer arguments, in bytes, seldom come twice, and would only fill the memory."""
_MOMENTS = 4096
"""Past this many nothing more is remembered of when no rule fires."""

_Inputs = TypeVarTuple("_Inputs")


def ask(gate: str, judge: Callable[[Unpack[_Inputs]], Answer], *inputs: *_Inputs) -> Answer:
    """Ask one gate. A gate that fails holds for a person: in doubt nothing happens."""
    try:
        return judge(*inputs)
    except Exception as failure:  # noqa: BLE001 - whatever went wrong inside a gate, the safe answer is the same
        return broken(gate, failure)


def read_arguments(policy: Policy, action: Action | None, proposal: Proposal, known: Remembered) -> Arguments:
    """Read everything from action and arguments that follows from them alone."""
    args = encode(proposal.args)
    said = known.arguments.find((proposal.action, args))
    if said is None:
        valid = ask(validation.GATE, validation.judge, policy.actions, proposal)
        texts, digest = texts_of(proposal.args), digest_of(proposal.action, args)
        traces, addresses = None, None
        # Where it fails, the gate that needs it tries again, and says so.
        with suppress(Exception):
            traces = risk.traces(policy.risk, action, proposal.args, texts)
            addresses = wanted.addresses_of(texts)
        said = Arguments(texts, digest, valid, traces, addresses)
        if len(args) <= _SHORT and addresses is not None and not valid.rule.endswith(FAILED):
            known.arguments.keep((proposal.action, args), said)
    return said


def ask_rules(  # noqa: PLR0917 - bundling the inputs would cost every proposal an object
    policy: Policy,
    episodes: Episodes,
    action: Action | None,
    proposal: Proposal,
    said: Arguments,
    risked: Risked,
    at_us: int,
    *,
    again: bool,
) -> tuple[Answer, tuple[RuleId, ...]]:
    """Ask the rules; return their answer, and those in shadow mode that would have fired.

    `again` says that the risk was known: then it is worth remembering when nothing fires.
    """
    try:
        addresses = wanted.addresses_of(said.texts) if said.addresses is None else said.addresses
        origins = heard.origins(episodes, policy.provenance, action, proposal, addresses, at_us)
        quiet, passing = risked.quiet, None
        if quiet is not None:
            passing = policy.rules.passing(rules.Moment(proposal, said.texts, at_us, origins))
            if passing in quiet:
                return rules.QUIET
        asked = rules.ask(proposal, said.texts, action, risked.found, origins, at_us)
        answer = rules.judge(policy.rules, asked)
        if answer is rules.QUIET and again:
            if quiet is None:
                risked.quiet = policy.rules.quiet(asked)
            elif passing is not None and len(quiet) < _MOMENTS:
                quiet.add(passing)
        return answer
    except Exception as failure:  # noqa: BLE001 - as in `ask`
        return broken(rules.GATE, failure), ()


def ask_risk(policy: Policy, action: Action | None, proposal: Proposal, said: Arguments) -> Risked:
    """Ask how bad a mistake would be."""
    try:
        found = risk.assess(policy.risk, action, proposal, said.texts, said.traces)
        return Risked(found, risk.judge(policy.risk, found.risk, found.shell))
    except Exception as failure:  # noqa: BLE001 - as in `ask`: a risk nobody could measure is taken as critical
        part = RiskPart("unmeasured", risk.TOP_SCORE, f"measuring it failed with {type(failure).__name__}")
        critical = Risk(level=RiskLevel.CRITICAL, score=risk.TOP_SCORE, parts=(part,))
        # Held whatever the policy's table says of CRITICAL: nobody ruled on a risk that was never measured.
        found = RiskFound(
            critical,
            destructive=True,
            protected=True,
            in_production=risk.in_production(policy.risk, proposal.environment),
        )
        return Risked(found, broken(risk.GATE, failure))


def ask_calibration(  # noqa: PLR0917 - as in `ask_rules`
    policy: Policy,
    state: State,
    capability: CapabilityId,
    rule: str,
    confidence: float | None,
    risk_level: RiskLevel,
) -> tuple[Answer, ...]:
    """Ask what confidences like this one were worth; nothing is said where too little is known."""
    settings = state.calibrations.settings
    found = calibrations.trusted(state.calibrations, capability, rule, confidence)
    if found is None or confidence is None or settings is None:
        return ()
    judge = escalation.judge_calibrated
    return (ask(escalation.GATE, judge, policy.escalation, settings, found, confidence, risk_level),)


def rule_of(ruled: Answer) -> str:
    """Return the rule of policy that fired, from the answer of the rules; empty when none did."""
    return "" if ruled is rules.QUIET[0] or ruled.rule == rules.GATE else ruled.rule


def broken(gate: str, failure: Exception) -> Answer:
    """Answer for a gate that failed."""
    return Answer(
        gate=gate,
        ruling="escalate",
        reason=f"the gate itself failed with {type(failure).__name__}; a person must look",
        rule=gate + FAILED,
        owner="captain",
        waits=(Wait(kind="person", role="captain"),),
    )


def touched(policy: Policy, action: Action | None, proposal: Proposal, risk_score: int) -> Touches | None:
    """Say what a proposal needs for itself; `None` where nothing competes."""
    if policy.voting.competition is None or action is None or action.resource is UNSET:
        return None
    resource = resource_of(action.resource, proposal.args)
    urgency = action.run.priority if action.run is not None else 0
    score = 100 - risk_score - 5 * urgency
    return Touches(resource, action.run is not None, score) if resource else None


def ask_for_itself(
    policy: Policy, state: State, touches: Touches, apart: frozenset[DecisionId], at_us: int
) -> tuple[Answer, ...]:
    """Ask whether others want or have what a decision wants; nothing where that says nothing."""
    said = ask(
        competing.GATE,
        competing.judge,
        policy.voting,
        state.contests,
        touches.resource,
        apart,
        at_us,
    )
    return () if said.ruling == "allow" else (said,)


def adopted(policy: Policy, state: State) -> bool:
    """Whether state counts by this very policy: a hash alone is easily written into a recording."""
    limits_in_force, settings = state.usage.limits, state.breakers.settings
    return (
        state.policy_hash == policy.policy_hash
        and (limits_in_force is policy.limits or limits_in_force == policy.limits)
        and (settings is policy.breaker or settings == policy.breaker)
    )


NOT_ADOPTED = Answer(
    gate=limits.GATE,
    ruling="escalate",
    reason="this policy was never adopted here, so nothing was counted against its limits",
    rule="limits.adopted",
    owner="captain",
    waits=(Wait(kind="person", role="captain"),),
)
