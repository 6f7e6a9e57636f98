"""Decide: the one page. Every gate in order, what each was asked, and how their answers become a verdict.

A proposal is decided in two steps. `assess` asks the gates that look only at the proposal and its own
episode; `settle` asks those that look at everything else that is going on. Apart they can run in different
processes and still give the same bytes; together they are `decide`.
"""

from collections import deque
from collections.abc import Callable

from msgspec import UNSET, Struct
from msgspec.structs import replace

from engine.core.asking import (
    FAILED,
    NOT_ADOPTED,
    adopted,
    ask,
    ask_calibration,
    ask_for_itself,
    ask_risk,
    ask_rules,
    read_arguments,
    rule_of,
    touched,
)
from engine.core.gates import (
    blast_radius,
    breaker,
    change,
    consensus,
    escalation,
    kill_switch,
    limits,
    privacy,
    risk,
    rollout,
    rules,
    validation,
)
from engine.core.grounds import grounds_of
from engine.core.policy import Policy, Remembered, Weighed
from engine.core.provenance.heard import Episodes
from engine.core.state import State
from engine.core.vocabulary.actions import RiskLevel
from engine.core.vocabulary.competing import Touches
from engine.core.vocabulary.effects import AskPeople, Effect, PerformAction
from engine.core.vocabulary.facts import (
    DecisionOverridden,
    EffectEnded,
    Fact,
    HoldAnswered,
    OutcomeReported,
    ProposalReceived,
    RolloutResumed,
    TimePassed,
    UndoRequested,
    VerdictReached,
    VoteCast,
)
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EpisodeId,
    PersonId,
    ProposalId,
    capability_name,
    decision_id,
)
from engine.core.vocabulary.privacy import Found
from engine.core.vocabulary.proposals import Changed, Proposal
from engine.core.vocabulary.verdicts import (
    RULING_RANK,
    Answer,
    Assessment,
    Claimed,
    Objection,
    Ruling,
    Verdict,
    Wait,
    Word,
)
from engine.core.work import answers, changes, competing, endings, presence, standing_approvals
from engine.core.work.rollout import steps
from engine.core.work.rollout.assignment import standing, unit_of

GATES = (
    kill_switch.GATE,
    validation.GATE,
    blast_radius.GATE,
    breaker.GATE,
    limits.GATE,
    risk.GATE,
    rules.GATE,
    consensus.GATE,
    escalation.GATE,
    rollout.GATE,
)
"""All gates that are asked about every proposal, in the order people read them."""

READING = (*GATES, privacy.GATE, change.GATE)
"""The same, and behind them those that are asked where something was found, and what a person changed."""

_WORDS: dict[Ruling, Word] = {"allow": "allow", "escalate": "hold", "consensus": "hold", "deny": "deny"}


FOLLOWED = (
    *steps.WATCHED, EffectEnded, UndoRequested, HoldAnswered, VoteCast, DecisionOverridden, RolloutResumed,
    *competing.FOLLOWED,
)  # fmt: skip
"""Facts beside proposals from which more facts may follow."""


class Claim(Struct, frozen=True, array_like=True, gc=False):
    """What `settle` must know of an assessed proposal beside how it was weighed."""

    decision_id: DecisionId
    proposal_id: ProposalId
    at_us: int
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    episode: EpisodeId
    unit: str
    """What a rollout assigns to an arm; empty when this cannot be assigned."""
    digest: Digest
    confidence: float | None
    rule: str
    """The rule of policy that fired; empty when none did."""
    owner: PersonId = PersonId("")
    """Who owns the agent; empty where nobody is known to."""
    changed: Changed | None = None
    """Whose proposal it is in this form; `None` where it is as the agent proposed it."""
    touches: Touches | None = None
    """What it needs for itself; `None` where nothing competes."""
    found: tuple[Found, ...] = ()
    """What must not be kept in clear and was found in it."""


class Decisions(Struct, frozen=True):
    """What follows from a fact: facts to journal first, then effects to hand out."""

    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()


_NOTHING = Remembered(0)


def decide(policy: Policy, state: State, fact: Fact, known: Remembered = _NOTHING) -> Decisions:
    """Say what follows from a fact that `state` has already folded."""
    decisions = _decided(policy, state, fact, known)
    if policy.voting.competition is None or not isinstance(fact, competing.FOLLOWED):
        return decisions
    grounds = grounds_of(policy, state, fact.at_us)
    facts, effects = competing.after(state.contests, state.holds, fact, policy.voting, grounds)
    return Decisions(decisions.facts + facts, decisions.effects + effects)


def _decided(policy: Policy, state: State, fact: Fact, known: Remembered) -> Decisions:
    if isinstance(fact, ProposalReceived):
        proposal = fact.proposal
        claim, weighed = assess(policy, state.episodes, proposal, fact.at_us, known)
        verdict, _ = settle(policy, state, claim, weighed)
        reached = VerdictReached(at_us=verdict.at_us, verdict=verdict)
        if verdict.changed is not UNSET:
            return _changed(policy, state, proposal, reached)
        over = standing_approvals.let_go(state.standing, verdict, proposal.args)
        if over is not None:
            action = policy.actions[verdict.action]
            return Decisions((reached, over), standing_approvals.performed(action, verdict))
        return Decisions((reached,), effects_of(policy, proposal, verdict))
    if isinstance(fact, steps.WATCHED):
        following = steps.after(state.rollouts, fact, state.stops.covering)
        if isinstance(fact, TimePassed):
            closed, asking = answers.votes_closed(state.holds, policy.voting, fact.at_us)
            return Decisions(_over(policy, state, fact.at_us) + closed + following, asking)
        if isinstance(fact, OutcomeReported):
            return Decisions(answers.came_without_leave(state.holds, fact) + following)
        return Decisions(following)
    if isinstance(fact, EffectEnded):
        return Decisions(*endings.after(policy.actions.get(fact.action), fact))
    if isinstance(fact, UndoRequested):
        return Decisions(effects=(endings.take_back(fact),))
    if isinstance(fact, HoldAnswered | DecisionOverridden):
        return Decisions(*answers.after(state.holds, fact, grounds_of(policy, state, fact.at_us)))
    if isinstance(fact, VoteCast):
        return Decisions(
            *answers.voted(state.holds, fact, policy.voting, grounds_of(policy, state, fact.at_us))
        )
    if isinstance(fact, RolloutResumed):
        return Decisions(*answers.resumed(state.holds, fact, grounds_of(policy, state, fact.at_us)))
    return Decisions()


def _changed(policy: Policy, state: State, proposal: Proposal, reached: VerdictReached) -> Decisions:
    """Say what follows from the verdict on a person's change, which nobody has folded yet."""
    facts, effects = changes.after(state.holds, reached.verdict, policy.actions)
    if effects is None:
        effects = effects_of(policy, proposal, reached.verdict)
    return Decisions((reached, *facts), effects)


def follow(
    policy: Policy, state: State, fact: Fact, take: Callable[[Fact], None], known: Remembered = _NOTHING
) -> Decisions:
    """Say everything that follows from a fact that `state` has already folded, and from what follows from it.

    `take` is called with each fact that follows, before it is asked what follows from that one; it folds it.
    """
    facts: list[Fact] = []
    effects: list[Effect] = []
    following: deque[Fact] = deque([fact])
    while following:
        decisions = decide(policy, state, following.popleft(), known)
        effects += decisions.effects
        for consequence in decisions.facts:
            take(consequence)
            facts.append(consequence)
            if isinstance(consequence, FOLLOWED):
                following.append(consequence)
    return Decisions(tuple(facts), tuple(effects))


def _over(policy: Policy, state: State, at_us: int) -> tuple[Fact, ...]:
    """Say what time alone ends: autonomy with nobody at the controls, and what nobody answered."""
    alone: tuple[Fact, ...] = ()
    if "all" not in state.stops.by_scope:
        alone = presence.stop_when_alone(state.presence, policy.captain_unseen_us, at_us)
    over = tuple(standing_approvals.expired(state.standing, at_us))
    return alone + answers.timed_out(state.holds, at_us, policy.policy_hash) + over


def assess(
    policy: Policy, episodes: Episodes, proposal: Proposal, at_us: int, known: Remembered = _NOTHING
) -> tuple[Claim, Weighed]:
    """Ask the gates that look at the proposal and its episode."""
    action, impact = policy.actions.get(proposal.action), proposal.impact
    said = read_arguments(policy, action, proposal, known)
    # Beside the rules, all gates here go by these. Equal numbers may be written differently (1.0 and 1.00,
    # 0.0 and -0.0), and verdicts are compared by their bytes, so numbers count as written.
    sources = (
        proposal.action,
        proposal.environment,
        str(impact.cost_usd),
        impact.files,
        impact.api_calls,
        proposal.confidence or repr(proposal.confidence),
        said.valid,
        said.traces,
    )
    risked = known.risked.find(sources)
    again = risked is not None
    if risked is None:
        risked = ask_risk(policy, action, proposal, said)
        # What a gate failed at may work the next time.
        if not risked.answer.rule.endswith(FAILED):
            known.risked.keep(sources, risked)
    risk_found = risked.found.risk
    ruled, shadow_rules = ask_rules(policy, episodes, action, proposal, said, risked, at_us, again=again)
    # Options are prose, seldom the same twice.
    weighed = known.weighed.find((risked, ruled, shadow_rules)) if not proposal.options else None
    if weighed is None:
        answers = (
            said.valid,
            ask(blast_radius.GATE, blast_radius.judge, policy.blast, action, impact),
            risked.answer,
            ruled,
            ask(consensus.GATE, consensus.judge, policy.consensus, impact),
            ask(
                escalation.GATE,
                escalation.judge,
                policy.escalation,
                proposal.confidence,
                impact,
                risk_found.level,
                action,
            ),
        )
        assessment = Assessment(
            kind=action.kind if action is not None else None,
            risk=risk_found,
            shadow_rules=shadow_rules,
            options=proposal.options,
            confidence=proposal.confidence,
            environment=proposal.environment,
            answers=answers,
        )
        weighed = Weighed(known.form(assessment), impact, risk_found.level, risk_found.score, *weigh(answers))
        if not proposal.options and not any(answer.rule.endswith(FAILED) for answer in answers):
            known.weighed.keep((risked, ruled, shadow_rules), weighed)
    claim = Claim(
        decision_id(proposal.proposal_id),
        proposal.proposal_id,
        at_us,
        proposal.agent,
        proposal.capability,
        proposal.action,
        proposal.episode,
        unit_of(policy.rollouts, proposal),
        said.digest,
        proposal.confidence,
        rule_of(ruled),
        PersonId("") if proposal.owner is UNSET else proposal.owner,
        None if proposal.changed is UNSET else proposal.changed,
        touched(policy, action, proposal, weighed.risk_score),
        () if proposal.found is UNSET else proposal.found,
    )
    return claim, weighed


def settle(
    policy: Policy, state: State, claim: Claim, weighed: Weighed
) -> tuple[Verdict, tuple[Objection, ...]]:
    """Ask the gates that look at everything else, and weigh all answers: the strictest wins.

    Returns the verdict, and every gate that does not simply allow.
    """
    agent, capability, action, now_us = claim.agent, claim.capability, claim.action, claim.at_us
    stands = standing(
        state.rollouts, capability, action, claim.unit, safe=weighed.risk_level is RiskLevel.SAFE
    )
    stage = ask(rollout.GATE, rollout.judge, stands, capability, state.rollouts.settings.owner)
    shadowed = not stands.acting
    answers: tuple[Answer, ...] = (
        ask(kill_switch.GATE, kill_switch.judge, state.stops, agent, capability, action),
        ask(breaker.GATE, breaker.judge, state.breakers, capability, action, now_us),
        ask(limits.GATE, limits.judge, state.usage, agent, weighed.impact, now_us, shadowed)
        if adopted(policy, state)
        else NOT_ADOPTED,
        stage,
    )
    calibration = state.calibrations.settings
    if calibration is not None and stands.assignment is None:
        # Both arms of a rollout are judged by its own evidence, which holding one of them would bend.
        answers += ask_calibration(
            policy, state, capability, claim.rule, claim.confidence, weighed.risk_level
        )
    if claim.found:
        answers += (ask(privacy.GATE, privacy.judge, policy.privacy, claim.found),)
    if claim.changed is not None:
        answers += (_weigh_change(state, claim.changed, claim),)
    ruling, waits, against = weigh(answers)
    if RULING_RANK[weighed.ruling] > RULING_RANK[ruling]:
        ruling = weighed.ruling
    if ruling == "allow" and not shadowed and policy.rollouts.recommends(capability_name(capability)):
        # Asked last, for only what everybody else allows is worth recommending.
        wish = rollout.recommended(policy.rollouts.owner)
        answers = (*answers[:3], wish, *answers[4:])
        ruling, waits, against = weigh(answers)
    touches = claim.touches if not shadowed else None
    if touches is not None and ruling != "deny":
        apart = frozenset([claim.decision_id, *([claim.changed.of] if claim.changed is not None else [])])
        answers += ask_for_itself(policy, state, touches, apart, now_us)
        ruling, waits, against = weigh(answers)
        if RULING_RANK[weighed.ruling] > RULING_RANK[ruling]:
            ruling = weighed.ruling
    word = _WORDS[ruling]
    verdict = Verdict(
        decision_id=claim.decision_id,
        proposal_id=claim.proposal_id,
        at_us=now_us,
        word=word,
        shadowed=shadowed,
        waits=tuple(dict.fromkeys(weighed.waits + waits)) if word == "hold" else (),
        agent=agent,
        capability=capability,
        action=action,
        episode=claim.episode,
        impact=weighed.impact,
        digest=claim.digest,
        policy_hash=policy.policy_hash,
        answers=answers,
        assessment=weighed.assessment,
    )
    # Apart, for most are in no rollout, and for more than fifteen names Python puts together a dictionary.
    if stands.assignment is not None and claim.changed is None:
        verdict = replace(verdict, assignment=stands.assignment)
    if calibration is not None and claim.confidence is not None and not shadowed:
        verdict = replace(verdict, claimed=Claimed(claim.confidence, claim.rule))
    if claim.owner:
        verdict = replace(verdict, owner=claim.owner)
    if claim.changed is not None:
        # What a person makes of it is no evidence for or against the version that proposed it.
        verdict = replace(verdict, changed=claim.changed)
    return replace(verdict, touches=touches) if touches else verdict, weighed.objections + against


def _weigh_change(state: State, changed: Changed, claim: Claim) -> Answer:
    wanted = (claim.agent, claim.capability, claim.action)
    against = changes.objection_to_change(state.holds, changed, wanted, claim.at_us)
    old = state.holds.by_id.get(changed.of)
    return ask(change.GATE, change.judge, changed, against, old.waits if old is not None else ())


def effects_of(policy: Policy, proposal: Proposal, verdict: Verdict) -> tuple[Effect, ...]:
    """Turn a verdict into requests with no choices left in them. A shadowed one asks nothing of the world."""
    if verdict.shadowed or verdict.word == "deny":
        return ()
    if verdict.word == "hold":
        reasons = [answer.reason for answer in in_order(verdict) if answer.ruling != "allow"]
        return (AskPeople(decision_id=verdict.decision_id, waits=verdict.waits, summary="; ".join(reasons)),)
    action = policy.actions[proposal.action]
    if action.run is None:
        # The agent does it itself, and reports the outcome.
        return ()
    return (
        PerformAction(
            decision_id=verdict.decision_id,
            proposal_id=verdict.proposal_id,
            agent=verdict.agent,
            capability=verdict.capability,
            action=proposal.action,
            args=proposal.args,
            digest=verdict.digest,
            undo=action.undo,
            run=action.run,
            priority=action.run.priority if proposal.priority is UNSET else proposal.priority,
        ),
    )


def weigh(answers: tuple[Answer, ...]) -> tuple[Ruling, tuple[Wait, ...], tuple[Objection, ...]]:
    """Return the strictest ruling among answers, what they wait for, and which gates do not simply allow."""
    for answer in answers:
        if answer.ruling != "allow":
            break
    else:
        return "allow", (), ()
    against = [answer for answer in answers if answer.ruling != "allow"]
    strictest = max([answer.ruling for answer in against], key=RULING_RANK.__getitem__)
    waits = tuple([wait for answer in against for wait in answer.waits])
    return strictest, waits, tuple([Objection(a.gate, a.rule, a.ruling) for a in against])


def in_order(verdict: Verdict) -> list[Answer]:
    """Return all answers in the order of `READING`."""
    answers = (*verdict.answers, *verdict.assessment.answers)
    return sorted(answers, key=lambda answer: READING.index(answer.gate))
