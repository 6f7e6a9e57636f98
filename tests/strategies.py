"""What Hypothesis draws from: arguments, proposals, facts, and whole histories in order of time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.proposals import Impact, Option, Proposal
from engine.core.vocabulary.rollouts import Evidence, Requirement
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from engine.core.vocabulary.verdicts import Wait
from tests import escalation_strategies
from tests.builders import NOON_US, changed, shipped, verdict
from tests.drawn_texts import json_args, json_values, texts

# Few names, so that what happens to one meets what happened to it before.
AGENTS = ("coder-1", "healer", "über")
CAPABILITIES = ("heal@1", "heal@2", "deploy@1", "bare")
CAPABILITY_NAMES = ("heal", "deploy", "bare")
ACTIONS = (*shipped().actions, "unknown.thing")
EPISODES = ("", "e-1", "e-2")
PEOPLE = ("ann", "ben")
costs = st.sampled_from(
    ["0", "0.10", "0.1", "1", "2.50", "3.333", "10", "49.99", "50", "50.00", "100", "1E+2"]
).map(Decimal) | st.decimals(0, 200, places=2)
impacts = st.builds(
    Impact,
    cost_usd=costs,
    files=st.integers(0, 12) | st.integers(0, 60),
    api_calls=st.sampled_from([0, 1, 33, 50, 99, 100, 101]) | st.integers(0, 1100),
)

_VALUES = {
    "string": texts,
    "path": st.sampled_from(["src/a.py", ".env", "a/../.ssh/id", "/etc/passwd"]),
    "command": st.sampled_from(["ls", "rm -rf /tmp", "git push --force"]),
    "integer": st.integers(-5, 5),
    "number": st.integers(0, 5) | st.floats(0, 5),
    "boolean": st.booleans(),
    "email": st.sampled_from(["ann@example.com", "eve@evil.org"]),
    "url": st.sampled_from(["https://x.org/a", "http://evil.org"]),
    "list": st.lists(texts, max_size=2),
    "object": st.dictionaries(st.text(max_size=3), texts, max_size=2),
    "any": json_values,
}


def _value(parameter: Any) -> st.SearchStrategy[Any]:
    if parameter.choices is not None:
        return st.sampled_from(parameter.choices)
    if parameter.items is not None:
        return st.lists(_VALUES[parameter.items], max_size=3)
    return _VALUES[parameter.type]


def args_for(action: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments that the registry accepts; any at all for an action it does not know."""
    known = shipped().actions.get(action)
    if known is None:
        return json_args
    needed = {name: _value(p) for name, p in known.parameters.items() if p.required}
    extra = {name: _value(p) for name, p in known.parameters.items() if not p.required}
    return st.fixed_dictionaries(needed, optional=extra)


environments = st.sampled_from(["", "staging", "production"])
confidences = st.none() | st.sampled_from([0.0, 0.69, 0.7, 0.95, 1.0]) | st.floats(0, 1)
considered = st.sampled_from([(), (Option(name="wait", why_not="too slow"), Option(name="do it"))])


def _proposal_of(action: str) -> st.SearchStrategy[Proposal]:
    return st.builds(
        Proposal,
        proposal_id=st.integers(0, 10**9).map("p-{}".format),
        agent=st.sampled_from(AGENTS),
        capability=st.sampled_from(CAPABILITIES),
        action=st.just(action),
        args=args_for(action) | json_args,
        episode=st.sampled_from(EPISODES),
        environment=environments,
        impact=st.just(Impact()) | impacts,
        confidence=confidences,
        rationale=texts,
        options=considered,
    )


# Proposals of every kind: mostly well formed, some with arguments that make no sense.
proposals = st.one_of([_proposal_of(action) for action in ACTIONS])

# Verdicts as facts carry them, whatever the gates might have said. Their time is given later.
verdicts = st.builds(
    lambda word, number, **values: verdict(
        word,
        decision_id=f"d_{number}",
        waits=(Wait(kind="person", role="captain"),) if word == "hold" else (),
        **values,
    ),
    st.sampled_from(["allow", "allow", "hold", "deny"]),
    st.integers(0, 10**9),
    shadowed=st.booleans(),
    agent=st.sampled_from(AGENTS),
    capability=st.sampled_from(CAPABILITIES),
    action=st.sampled_from(ACTIONS[:3]),
    impact=impacts,
)


scopes = st.just(f.Scope("all")) | st.one_of(
    st.builds(f.Scope, st.just("agent"), st.sampled_from(AGENTS)),
    st.builds(f.Scope, st.just("capability"), st.sampled_from(CAPABILITIES + CAPABILITY_NAMES)),
    st.builds(f.Scope, st.just("action"), st.sampled_from(ACTIONS)),
)


def _policies() -> tuple[Any, ...]:
    """The shipped policy, and one with the same names but other windows and a shorter memory."""
    other = changed(
        policy_hash="other",
        limits=tuple(
            f.Limit(
                id=limit.id, measure=limit.measure, most=limit.most, window_us=30 * MINUTE_US, per=limit.per
            )
            for limit in shipped().limits[1:]
        ),
        hold_us=HOUR_US,
        episode_idle_us=HOUR_US,
    )
    return shipped(), other


POLICIES = _policies()


def _kinds() -> dict[type[f.Fact], st.SearchStrategy[f.Fact]]:
    """Every kind of fact but the adoption of a policy; their time is given later."""
    agents, people = st.sampled_from(AGENTS), st.sampled_from(PEOPLE)
    capabilities, names = st.sampled_from(CAPABILITIES), st.sampled_from(CAPABILITY_NAMES)
    contest = {
        "contest_id": st.sampled_from(["c_1", "c_2"]),
        "resource": st.sampled_from(["service:web", "service:db"]),
        "decisions": st.lists(st.integers(0, 9).map("d_{}".format), min_size=1, max_size=3).map(tuple),
    }
    effect_ids, kinds = st.integers(0, 9).map("d_{}".format), st.sampled_from(["perform", "undo", "preview"])
    results = st.builds(Result, success=st.booleans(), error=texts, execution_time_s=st.floats(0, 9))
    troubles = st.sampled_from(["clock", "journal", "disk"])
    roles = st.sampled_from(["viewer", "responder", "captain"])
    stages = st.sampled_from(["shadow", "canary_1", "canary_10", "canary_50", "live", "rolled_back"])
    evidence = st.builds(
        Evidence,
        since_us=st.integers(0, 10**15),
        compared=st.integers(0, 99),
        requirements=st.lists(
            st.builds(Requirement, st.just("episodes"), st.floats(0, 9), st.integers(0, 9), st.booleans()),
            max_size=2,
        ).map(tuple),
    )
    episodes, reasons = st.sampled_from(EPISODES), st.sampled_from(["freeze", "incident"])
    fields: dict[type[f.Fact], dict[str, st.SearchStrategy[Any]]] = {
        f.ProposalReceived: {"proposal": proposals},
        f.VerdictReached: {"verdict": verdicts},
        f.OutcomeReported: {
            "proposal_id": st.just("p-1"),
            "agent": agents,
            "capability": capabilities,
            "action": st.sampled_from(ACTIONS[:2]),
            "ok": st.sampled_from([False, False, False, True]),
            "by": st.sampled_from(["executor", "incumbent"]),
            "cost_usd": st.just(UNSET) | costs,
        },
        f.MessageObserved: {
            "episode": episodes,
            "source": st.sampled_from(["person", "tool", "agent"]),
            "text": texts,
            **dict.fromkeys(["by", "tool", "asked"], st.just(UNSET) | names),
        },
        f.EpisodeClosed: {"episode": episodes},
        f.MetricObserved: {"series": st.sampled_from(["cpu", "errors"]), "value": st.floats(-1e140, 1e140)},
        f.KillSwitchSet: {"scope": scopes, "by": people, "reason": texts},
        f.KillSwitchCleared: {"scope": scopes, "by": people},
        f.CapabilityPromoted: {"capability": capabilities, "by": people},
        f.CapabilityDemoted: {"capability": names, "by": people},
        f.CapabilityReplayed: {
            "capability": capabilities,
            "recording": st.just("00"),
            "journal_hash": st.just("01"),
            "policy_hash": st.just("02"),
            "decisions": st.sampled_from([0, 150, 5000]),
            "allowed": st.just(100),
            "failed": st.sampled_from([0, 1, 90]),
            "unsafe": st.sampled_from([0, 0, 0, 1]),
            "from_us": st.just(0),
            "until_us": st.just(1),
            "by": people,
        },
        f.IncumbentActed: {
            "episode": episodes,
            "capability": names,
            "action": st.sampled_from(ACTIONS[:2]),
            "args": st.dictionaries(st.sampled_from(["service", "n"]), st.integers(0, 3), max_size=2),
            "ok": st.booleans(),
            "by": people,
        },
        f.PromotionAsked: {"capability": capabilities, "by": people, "reason": texts},
        f.RolloutAborted: {"capability": names, "by": people, "reason": texts},
        f.StageChanged: {
            "capability": capabilities,
            "was": stages,
            "now": stages,
            "by": people,
            "reason": texts,
            "evidence": evidence,
        },
        f.PromotionRefused: {
            "capability": capabilities,
            "stage": stages,
            "by": people,
            "reason": texts,
            "evidence": evidence,
            "likely_us": st.none() | st.integers(0, 10**15),
        },
        f.PromotionReady: {"capability": capabilities, "stage": stages, "evidence": evidence},
        f.RolloutPaused: {"capability": names, "reason": reasons, "by": people},
        f.RolloutResumed: {"capability": names, "reason": reasons, "by": people},
        f.EffectStarted: {
            "effect_id": effect_ids,
            "decision_id": effect_ids,
            "kind": kinds,
            "worker": st.just("worker-1:7"),
            "token": st.integers(1, 9),
            "attempt": st.integers(1, 3),
        },
        f.EffectEnded: {
            "effect_id": effect_ids,
            "decision_id": effect_ids,
            "kind": kinds,
            "proposal_id": st.just("p-1"),
            "agent": agents,
            "capability": capabilities,
            "action": st.sampled_from(ACTIONS[:2]),
            "token": st.integers(0, 9),
            "status": st.sampled_from(["done", "failed", "unknown", "stopped", "refused"]),
            "result": results,
        },
        f.EffectEndTold: {
            "effect_id": effect_ids,
            "decision_id": effect_ids,
            "kind": kinds,
            "agent": agents,
            "body": st.just("lap"),
            "token": st.integers(0, 9),
            "status": st.sampled_from(["done", "failed"]),
            "result": results,
        },
        f.UndoRequested: {
            "effect_id": st.integers(0, 9).map("u_{}".format),
            "of": effect_ids,
            "decision_id": effect_ids,
            "proposal_id": st.just("p-1"),
            "agent": agents,
            "capability": capabilities,
            "action": st.sampled_from(ACTIONS[:2]),
            "by": people,
            "reason": texts,
            "force": st.booleans(),
        },
        f.PersonSeen: {"person": people, "role": st.sampled_from(["viewer", "responder", "captain"])},
        f.TimePassed: {"schedule": st.just("minute")},
        f.ProcessEnded: {
            "process": st.sampled_from(["engine", "worker-1"]),
            "how": st.just("signal 9"),
            "restarts": st.integers(0, 9),
        },
        f.TroubleFound: {"trouble": troubles, "detail": texts},
        f.TroubleGone: {"trouble": troubles, "by": people},
        f.SnapshotSaved: {
            "snapshot_id": st.just("20260101T000000Z-1"),
            "journal_seq": st.integers(0, 10**6),
            "files": st.integers(0, 10**6),
            "size_bytes": st.integers(0, 10**12),
        },
        f.SnapshotRestored: {
            "snapshot_id": st.just("20260101T000000Z-1"),
            "by": people,
            "parts": st.just(("workspace",)),
        },
        f.HoldAnswered: {
            "decision_id": effect_ids,
            "by": people,
            "role": roles,
            "answer": st.sampled_from(["approve", "approve", "deny"]),
            "digest": st.just("00"),
            "reason": texts,
        },
        f.DecisionOverridden: {
            "decision_id": effect_ids,
            "by": people,
            "word": st.sampled_from(["allow", "veto"]),
            "reason": texts,
        },
        f.HoldEnded: {
            "decision_id": effect_ids,
            "proposal_id": st.just("p-1"),
            "agent": agents,
            "capability": capabilities,
            "action": st.sampled_from(ACTIONS[:2]),
            "how": st.sampled_from(["approved", "denied", "vetoed", "timeout"]),
            "by": st.lists(people, max_size=2).map(tuple),
            "reason": texts,
            "effect_id": st.none() | effect_ids,
        },
        f.VoteCast: {
            "decision_id": effect_ids,
            "voter": people,
            "owner": people,
            "choice": st.sampled_from(["for", "for", "against", "abstain"]),
            "weight": st.integers(1, 3),
            "rationale": texts,
        },
        f.VoteClosed: {"decision_id": effect_ids, "reason": texts},
        f.CaptaincyBegun: {"captain": people, "deputy": people},
        f.CaptaincyOffered: {"by": people, "to": people, "reason": texts},
        f.CaptaincyPassed: {"by": people, "to": people, "reason": texts},
        f.CaptaincyDeclined: {"by": people, "reason": texts},
        f.CaptainAway: {"by": people, "away": st.booleans(), "reason": texts},
        f.DeputyNamed: {"by": people, "deputy": people},
        f.ContestOpened: contest
        | {"method": st.sampled_from(["approval", "borda"]), "until_us": st.integers(0, 1 << 50)},
        f.BallotCast: contest
        | {
            "voter": people,
            "owner": people,
            "choices": st.lists(effect_ids, max_size=3).map(tuple),
            "weight": st.integers(1, 3),
            "rationale": texts,
        },
        f.BallotRefused: contest | {"by": people, "reason": texts},
        f.ContestUndecided: contest
        | {"tied": st.just(("d_1", "d_2")), "until_us": st.integers(0, 1 << 50), "reason": texts},
        f.ContestSettled: contest | {"choice": effect_ids, "by": people, "reason": texts},
        f.ContestDecided: contest
        | {
            "how": st.sampled_from(["vote", "captain", "priority", "failsafe"]),
            "winner": st.none() | effect_ids,
            "reason": texts,
        },
        f.QuestionAsked: {
            "decision_id": effect_ids,
            "nth": st.integers(1, 3),
            "by": people,
            "question": texts,
        },
        f.QuestionReplied: {
            "decision_id": effect_ids,
            "nth": st.integers(1, 3),
            "agent": agents,
            "answer": texts,
        },
        f.StandingGiven: {
            "standing_id": effect_ids,
            "by": people,
            "role": st.sampled_from(["responder", "captain"]),
            "action": st.sampled_from(ACTIONS),
            "args": st.just({}),
            "until_us": st.integers(0, 1 << 50),
            "policy_hash": texts,
            "reason": texts,
        },
        f.StandingEnded: {
            "standing_id": effect_ids,
            "action": st.sampled_from(ACTIONS),
            "how": st.sampled_from(["expired", "revoked"]),
            "by": people,
            "reason": texts,
        },
        f.AnswerRefused: {"decision_id": effect_ids, "by": people, "reason": texts},
        f.CommandGiven: {
            "command": texts,
            "by": people,
            "front": st.sampled_from(["discord", "terminal"]),
            "outcome": st.sampled_from(["done", "refused", "forbidden", "failed"]),
            "detail": texts,
        },
        f.DecisionRated: {
            "decision_id": effect_ids,
            "proposal_id": st.integers(0, 30).map("p-{}".format),
            "agent": st.sampled_from(AGENTS),
            "capability": st.sampled_from(CAPABILITIES),
            "action": st.sampled_from(ACTIONS),
            "by": people,
            "rating": st.sampled_from(["useful", "wrong", "late"]),
            "reason": texts,
            "confidence": confidences,
            "rule": st.sampled_from(["", "protected"]),
        },
        f.SnapshotTaken: {"seq": st.integers(0, 10**6), "state_hash": st.sampled_from(["00", "ff"])},
    }
    fields |= escalation_strategies.fields()
    return {kind: st.builds(kind, at_us=st.just(0), **given) for kind, given in fields.items()}


KINDS = _kinds()
adoptions = st.sampled_from([policy.adopted(0) for policy in POLICIES])
facts = st.one_of(*KINDS.values(), adoptions)
GAPS_US = (0, 0, 1, SECOND_US, 30 * SECOND_US, MINUTE_US, 20 * MINUTE_US, HOUR_US, DAY_US)


def at(fact: f.Fact, at_us: int) -> f.Fact:
    """The same fact at another time; a verdict takes its time along."""
    if isinstance(fact, f.VerdictReached):
        return f.VerdictReached(at_us=at_us, verdict=replace(fact.verdict, at_us=at_us))
    return replace(fact, at_us=at_us)


def in_time(steps: list[tuple[int, f.Fact]]) -> list[f.Fact]:
    """Facts in order of time, beginning with the adoption of the shipped policy; each waits, then happens."""
    at_us, history = NOON_US, [shipped().adopted(NOON_US)]
    for gap_us, fact in steps:
        at_us += gap_us
        history.append(at(fact, at_us))
    return history


def histories(*, most: int = 30, of: st.SearchStrategy[f.Fact] = facts) -> st.SearchStrategy[list[f.Fact]]:
    """Whole histories, of facts of every kind unless told otherwise."""
    return st.lists(st.tuples(st.sampled_from(GAPS_US), of), max_size=most).map(in_time)
