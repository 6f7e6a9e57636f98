"""Episodes: what happens in one, and how it is judged once, at a fixed time after it began.

The horizon is the same for both arms, so that neither looks better or worse for being slower. A failure that
counted as soon as it is reported would count sooner for the arm that is quicker to report, and haste would be
taken for harm: in the study (docs/why/earned-authority.md) that alone rolls back up to a fifth of the good.

An episode is judged by its own arm's decisions only. One whose arm was drawn anew may be the other arm's, and
counts by itself, for whoever acted: neither its outcome nor the want of one says anything of the episode. As
that draw knows nothing of the episode's arm, it leaves out as much in either, so the arms stay comparable.
"""

from typing import Final, Literal

from msgspec.structs import replace

from engine.core.statistics import agreement, detector, excess, risk_ratio, sample_ratio
from engine.core.statistics.confounding import OfEntity
from engine.core.vocabulary.chain import digest_of
from engine.core.vocabulary.facts import (
    EffectEnded,
    HoldEnded,
    IncumbentActed,
    MetricObserved,
    OutcomeReported,
    UndoRequested,
    VerdictReached,
    encode,
)
from engine.core.vocabulary.ids import ActionName, capability_name
from engine.core.vocabulary.rollouts import SHARES, ArmTally, Assignment, Disagreement, RolloutPlan
from engine.core.vocabulary.units import DAY_US
from engine.core.vocabulary.verdicts import Verdict
from engine.core.work.rollout.assignment import assigned, unit_under
from engine.core.work.rollout.candidates import TWIN, Awaited, Candidate, OpenEpisode, Performed, Rollouts

_MOST_PERFORMED: Final = 100
"""As many undo records as a workspace keeps by default: older ones are gone anyway."""
_MOST_ENTITIES: Final = 1000
"""More would only make state larger: it is few entities that are few units."""
_NOTHING: Final = OfEntity(ArmTally(0, 0), ArmTally(0, 0))
_SHARES: Final = tuple(SHARES.values())


def fold_verdict(rollouts: Rollouts, fact: VerdictReached) -> None:
    """Take a decision into its unit."""
    verdict = fact.verdict
    assignment = verdict.assignment
    if not assignment:
        return
    name = capability_name(verdict.capability)
    candidate = rollouts.candidates.get(name)
    if candidate is None or not candidate.watched or name in rollouts.paused:
        return
    plan = rollouts.settings.plan_of(name)
    judge_due(candidate, plan, verdict.at_us)
    episode = candidate.episodes.get(assignment.unit)
    if episode is None:
        # The verdict of one that was drawn anew carries that draw, and not the arm of its unit.
        of_unit = assigned(candidate, assignment.unit) if assignment.explored else assignment
        episode = _open(candidate, plan, verdict.at_us, of_unit)
    episode.last_us = verdict.at_us
    if assignment.explored:
        _note_drawn(candidate, episode, verdict, assignment.unit)
        return
    _note_decision(rollouts, candidate, episode, verdict, assignment.unit)


def _note_decision(
    rollouts: Rollouts, candidate: Candidate, episode: OpenEpisode, verdict: Verdict, unit: str
) -> None:
    allowed, act = verdict.word == "allow", f"{verdict.action} {verdict.digest}"
    if verdict.capability.endswith(TWIN):
        episode.twin = episode.twin or set()
        if allowed:
            episode.twin.add(act)
        return
    own = verdict.capability == candidate.capability
    acting = allowed and not verdict.shadowed
    if own and allowed:
        episode.candidate.add(act)
    elif own:
        episode.objection = episode.objection or _objection(verdict)
    elif acting:
        episode.incumbent.add(act)
    episode.allowed = episode.allowed or allowed
    if own or verdict.capability == rollouts.live.get(capability_name(verdict.capability)):
        candidate.awaited[verdict.proposal_id] = Awaited(unit, act, acting, own)
        episode.proposals.append(verdict.proposal_id)


def _note_drawn(candidate: Candidate, episode: OpenEpisode, verdict: Verdict, unit: str) -> None:
    """Await the outcome of a decision whose arm was drawn anew; it says nothing of its unit."""
    own, acting = verdict.capability == candidate.capability, verdict.word == "allow" and not verdict.shadowed
    episode.drawn.setdefault(verdict.action, False)
    candidate.awaited[verdict.proposal_id] = Awaited(unit, "", acting, own, verdict.action)
    episode.proposals.append(verdict.proposal_id)


def fold_granted(rollouts: Rollouts, fact: HoldEnded) -> None:
    """Take it in that what was held is executed after all: whoever reports on it acted as was decided."""
    candidate = rollouts.candidates.get(capability_name(fact.capability))
    awaited = candidate.awaited.get(fact.proposal_id) if candidate is not None else None
    if candidate is None or awaited is None:
        return
    candidate.awaited[fact.proposal_id] = replace(awaited, acting=True)
    if awaited.drawn:
        # It says nothing of its unit, whoever acts.
        return
    episode = candidate.episodes[awaited.unit]
    episode.allowed = True
    (episode.candidate if awaited.candidate else episode.incumbent).add(awaited.act)


def _objection(verdict: Verdict) -> str:
    """Name the rule that stood in the way: of several, the first as people read them."""
    for answer in (*verdict.answers, *verdict.assessment.answers):
        if answer.ruling != "allow":
            return answer.rule
    return ""


def fold_outcome(rollouts: Rollouts, fact: OutcomeReported) -> None:
    """Take what came of a decision. What comes twice, or after its unit was judged, counts for nothing."""
    name = capability_name(fact.capability)
    candidate = rollouts.candidates.get(name)
    if candidate is None or not candidate.watched:
        return
    plan = rollouts.settings.plan_of(name)
    judge_due(candidate, plan, fact.at_us)
    awaited = candidate.awaited.pop(fact.proposal_id, None)
    if awaited is None:
        candidate.late += 1
        return
    by_executor = fact.by == "executor"
    if by_executor != awaited.acting:
        # Who acted is decided by the arm. If another did, arms are mixed up, and no number means anything.
        told, decided = ("executed", "shadowed") if by_executor else ("left to the incumbent", "executed")
        candidate.mixed_up = (
            candidate.mixed_up or f"{fact.proposal_id} was {told} though decided as {decided}"
        )
    if awaited.candidate and by_executor and fact.action in plan.never:
        candidate.breach = candidate.breach or f"it carried out {fact.action}, which it never may"
    episode = candidate.episodes[awaited.unit]
    if awaited.drawn:
        _count_drawn(candidate, episode, awaited.drawn, canary=awaited.candidate and by_executor, ok=fact.ok)
        return
    if awaited.candidate and not by_executor and not awaited.acting:
        # The incumbent did the very same, and somebody reports how that went.
        episode.incumbent.add(awaited.act)
    _note_outcome(episode, ok=fact.ok)


def fold_incumbent(rollouts: Rollouts, fact: IncumbentActed) -> None:
    """Take what people, or a program nobody governs, did in an episode, wanted by the candidate or not."""
    name = capability_name(fact.capability)
    candidate = rollouts.candidates.get(name)
    if candidate is None or not candidate.watched or name in rollouts.paused:
        return
    plan = rollouts.settings.plan_of(name)
    judge_due(candidate, plan, fact.at_us)
    unit = unit_under(plan, fact.episode, fact.args)
    if not unit:
        return
    episode = candidate.episodes.get(unit)
    if episode is None:
        episode = _open(candidate, plan, fact.at_us, assigned(candidate, unit))
    episode.last_us = fact.at_us
    if fact.action in episode.drawn:
        _count_drawn(candidate, episode, fact.action, canary=False, ok=fact.ok)
        return
    episode.incumbent.add(f"{fact.action} {digest_of(fact.action, encode(fact.args))}")
    _note_outcome(episode, ok=fact.ok)


def _open(candidate: Candidate, plan: RolloutPlan, at_us: int, assignment: Assignment) -> OpenEpisode:
    episode = OpenEpisode(at_us + plan.horizon_us, at_us, assignment.arm, assignment.share)
    candidate.episodes[assignment.unit] = episode
    return episode


def _count_drawn(
    candidate: Candidate, episode: OpenEpisode, action: ActionName, *, canary: bool, ok: bool
) -> None:
    """Count what came of a decision whose arm was drawn anew, once for each draw, for whoever acted."""
    if episode.drawn[action]:
        return
    episode.drawn[action] = True
    if canary:
        candidate.explored_canary = _one_more(candidate.explored_canary, ok=ok)
    else:
        candidate.explored_control = _one_more(candidate.explored_control, ok=ok)


def _one_more(tally: ArmTally, *, ok: bool) -> ArmTally:
    return ArmTally(tally.episodes + 1, tally.failures + (not ok))


def _note_outcome(episode: OpenEpisode, *, ok: bool) -> None:
    episode.ended = True
    if not ok:
        episode.failed = True


def judge_due(candidate: Candidate, plan: RolloutPlan, now_us: int) -> None:
    """Judge every unit whose time is over, the longest due first."""
    episodes = candidate.episodes
    due: list[tuple[int, str]] = []
    for unit, episode in episodes.items():
        if episode.due_us > now_us:
            break
        due.append((episode.due_us, unit))
    for _, unit in sorted(due):
        episode = episodes.pop(unit)
        if not episode.judged:
            _judge(candidate, plan, unit, episode, now_us)
        for proposal in episode.proposals:
            candidate.awaited.pop(proposal, None)
        if episode.last_us > now_us - plan.horizon_us:
            # Something still happens in it: who began it shall end it. What comes from now on counts no more.
            episode.judged, episode.due_us, episode.proposals = True, now_us + plan.horizon_us, []
            episodes[unit] = episode


def _judge(candidate: Candidate, plan: RolloutPlan, unit: str, episode: OpenEpisode, now_us: int) -> None:
    if not episode.allowed and not episode.ended and not episode.objection:
        return
    if day := now_us // DAY_US:
        candidate.days += day != candidate.last_day
        candidate.last_day = day
    if candidate.stage == "shadow":
        _compare(candidate, plan, unit, episode)
        return
    if not episode.share or not (episode.allowed or episode.ended):
        return
    # Nobody says how it went: whoever had it did not do it well.
    missing = not episode.ended
    failed = episode.failed or missing
    in_arm = episode.arm == "canary"
    if episode.share < 1:
        sample_ratio.see(candidate.ratio, in_arm, episode.share)
        if missing:
            sample_ratio.see(candidate.missing, in_arm, episode.share)
        if failed:
            risk_ratio.see_bad(candidate.bad, in_arm, episode.share)
            risk_ratio.see_good(candidate.good, in_arm, episode.share, ruled_out(candidate, plan))
            candidate.failed[2 * _SHARES.index(episode.share) + (not in_arm)] += 1
        if plan.unit != "episode":
            _note_entity(candidate, unit, in_arm=in_arm, failed=failed)
    if episode.share == 1 or episode.ended:
        # Beside control, an episode nobody reported accuses nobody, and excuses nobody.
        excess.see(candidate.limit, in_arm, failed, most_failing(candidate, plan), episode.share)
    if in_arm:
        candidate.canary += 1
        candidate.canary_failures += failed
        candidate.canary_missing += missing
    else:
        candidate.control += 1
        candidate.control_failures += failed
        candidate.control_missing += missing


def _note_entity(candidate: Candidate, unit: str, *, in_arm: bool, failed: bool) -> None:
    entities = candidate.entities
    if unit not in entities and len(entities) >= _MOST_ENTITIES:
        return
    known = entities.get(unit, _NOTHING)
    entities[unit] = (
        OfEntity(_one_more(known.canary, ok=not failed), known.control)
        if in_arm
        else OfEntity(known.canary, _one_more(known.control, ok=not failed))
    )


def ruled_out(candidate: Candidate, plan: RolloutPlan) -> float:
    """Return how many times the incumbent's failures this stage must rule out."""
    return plan.ratios[{"canary_1": 0, "canary_10": 1}.get(candidate.stage, 2)]


def most_failing(candidate: Candidate, plan: RolloutPlan) -> float:
    """Return the share of its episodes that may fail, whatever is known of control now.

    Once live nobody is beside it. It was promoted on what control failed at then, times the ratio that was
    ruled out: where control had failed in 80 of 200, half of its episodes may fail.

    >>> from engine.core.vocabulary.ids import CapabilityId
    >>> from engine.core.vocabulary.rollouts import ArmTally
    >>> heal = Candidate(
    ...     capability=CapabilityId("heal@2"), stage="live", since_us=0, promoted_on=ArmTally(200, 80)
    ... )
    >>> most_failing(heal, RolloutPlan(failure_share=0.2))
    0.5
    """
    known = candidate.promoted_on
    if candidate.stage != "live" or not known.episodes:
        return plan.failure_share
    return min(max(plan.failure_share, plan.ratios[-1] * known.failures / known.episodes), excess.MOST)


def _compare(candidate: Candidate, plan: RolloutPlan, unit: str, episode: OpenEpisode) -> None:
    mine, theirs = _acts(episode.candidate, plan.compare), _acts(episode.incumbent, plan.compare)
    agreed = mine == theirs
    candidate.compared += 1
    candidate.agreed += agreed
    agreement.see(candidate.agreement, agreed, plan.agreement)
    if episode.twin is not None:
        candidate.twins += 1
        candidate.twins_agreed += _acts(episode.twin, plan.compare) == theirs
    if not agreed:
        if not episode.candidate and episode.ended:
            candidate.held_back = _one_more(candidate.held_back, ok=not episode.failed)
        reason = _difference(episode)
        known = candidate.disagreements.get(reason, Disagreement(reason, 0, 0, unit))
        candidate.disagreements[reason] = Disagreement(
            reason, known.episodes + 1, known.failures + episode.failed, unit
        )


def _acts(acts: set[str], compare: Literal["action", "arguments"]) -> set[str]:
    return acts if compare == "arguments" else {act.rpartition(" ")[0] for act in acts}


def _difference(episode: OpenEpisode) -> str:
    """Say in one sentence why two sides differ; what is counted by it must not name ids."""
    if not episode.candidate:
        if episode.objection:
            return f"held or denied by {episode.objection}, and the incumbent acted"
        return "it wanted nothing, and the incumbent acted"
    if not episode.incumbent:
        return "it wanted to act, and the incumbent did not"
    if _acts(episode.candidate, "action") == _acts(episode.incumbent, "action"):
        return "the same action with other arguments"
    return "another action"


def fold_metric(rollouts: Rollouts, fact: MetricObserved) -> None:
    """Take a point of a series that is somebody's guardrail."""
    for name, candidate in rollouts.candidates.items():
        if candidate.share > 0:
            for guardrail in rollouts.settings.plan_of(name).guardrails:
                if guardrail.series == fact.series:
                    values = candidate.guardrails.setdefault(fact.series, detector.begin())
                    detector.see(values, fact.value > guardrail.above, guardrail.share)


def fold_ended(rollouts: Rollouts, fact: EffectEnded) -> None:
    """Remember what a canary did, as long as it may have to be undone."""
    candidate = rollouts.candidate_of(fact.capability)
    if candidate is None or not candidate.share or fact.kind != "perform" or fact.status != "done":
        return
    performed = candidate.performed
    performed[fact.effect_id] = Performed(
        fact.at_us, fact.decision_id, fact.proposal_id, fact.agent, ActionName(fact.action)
    )
    if len(performed) > _MOST_PERFORMED:
        del performed[min(performed, key=lambda each: (performed[each].at_us, each))]


def fold_undo(rollouts: Rollouts, fact: UndoRequested) -> None:
    """Forget what somebody is taking back already."""
    candidate = rollouts.candidate_of(fact.capability)
    if candidate is not None:
        candidate.performed.pop(fact.of, None)


def fold_time(rollouts: Rollouts, now_us: int) -> None:
    """Judge everywhere what is due."""
    for name, candidate in rollouts.candidates.items():
        if candidate.watched:
            judge_due(candidate, rollouts.settings.plan_of(name), now_us)
