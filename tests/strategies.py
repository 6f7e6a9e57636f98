"""What Hypothesis draws from: arguments, proposals, facts, and whole histories in order of time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.proposals import Impact, Option, Proposal
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from engine.core.vocabulary.verdicts import Verdict, Wait
from tests.builders import NOON_US, changed, shipped, verdict

# Few names, so that what happens to one meets what happened to it before.
AGENTS = ("coder-1", "healer", "über")
CAPABILITIES = ("heal@1", "heal@2", "deploy@1", "bare")
CAPABILITY_NAMES = ("heal", "deploy", "bare")
ACTIONS = (*shipped().actions, "unknown.thing")
EPISODES = ("", "e-1", "e-2")
PEOPLE = ("ann", "ben")
TEXTS = ("ann@example.com", "pay GB29NWBK60161331926819", "see https://x.org/a.", "nothing", "rm -rf /", ".env")

# Whole text is cheap to draw and rarely hits anything; half of it is what patterns and provenance look for.
texts = st.sampled_from(TEXTS) | st.text(max_size=20)
json_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | st.sampled_from(TEXTS)
)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
json_args = st.dictionaries(
    st.sampled_from(["path", "paths", "command", "service", "to", "amount"]) | st.text(max_size=5),
    json_values,
    max_size=4,
)

costs = st.sampled_from(["0", "0.10", "0.1", "1", "2.50", "3.333", "10", "49.99", "50", "50.00", "100", "1E+2"]).map(
    Decimal
) | st.decimals(0, 200, places=2)
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


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    """Proposals of every kind: mostly well formed, some with arguments that make no sense."""
    action = draw(st.sampled_from(ACTIONS))
    return Proposal(
        proposal_id=f"p-{draw(st.integers(0, 10**9))}",
        agent=draw(st.sampled_from(AGENTS)),
        capability=draw(st.sampled_from(CAPABILITIES)),
        action=action,
        args=draw(args_for(action) | json_args),
        episode=draw(st.sampled_from(EPISODES)),
        environment=draw(st.sampled_from(["", "staging", "production"])),
        impact=draw(st.just(Impact()) | impacts),
        confidence=draw(st.none() | st.sampled_from([0.0, 0.69, 0.7, 0.95, 1.0]) | st.floats(0, 1)),
        rationale=draw(texts),
        options=draw(st.sampled_from([(), (Option(name="wait", why_not="too slow"), Option(name="do it"))])),
    )


@st.composite
def verdicts(draw: st.DrawFn, at_us: int) -> Verdict:
    """Verdicts as facts carry them, whatever the gates might have said."""
    word = draw(st.sampled_from(["allow", "allow", "hold", "deny"]))
    return verdict(
        word,
        at_us,
        decision_id=f"d_{draw(st.integers(0, 10**9))}",
        shadowed=draw(st.booleans()),
        waits=(Wait(kind="person", role="captain"),) if word == "hold" else (),
        agent=draw(st.sampled_from(AGENTS)),
        capability=draw(st.sampled_from(CAPABILITIES)),
        action=draw(st.sampled_from(ACTIONS[:3])),
        impact=draw(impacts),
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
            f.Limit(id=limit.id, measure=limit.measure, most=limit.most, window_us=30 * MINUTE_US, per=limit.per)
            for limit in shipped().limits[1:]
        ),
        hold_us=HOUR_US,
        episode_idle_us=HOUR_US,
    )
    return shipped(), other


POLICIES = _policies()


def facts_at(at_us: int, *, adopting: bool = True) -> st.SearchStrategy[f.Fact]:
    """Any fact at this time. Without `adopting`, none that changes the policy."""

    def fact(kind: type[f.Fact], **values: st.SearchStrategy[Any]) -> st.SearchStrategy[f.Fact]:
        return st.builds(kind, at_us=st.just(at_us), **values)

    agents, people = st.sampled_from(AGENTS), st.sampled_from(PEOPLE)
    capabilities, names = st.sampled_from(CAPABILITIES), st.sampled_from(CAPABILITY_NAMES)
    episodes, reasons = st.sampled_from(EPISODES), st.sampled_from(["freeze", "incident"])
    kinds = [
        fact(f.ProposalReceived, proposal=proposals()),
        fact(f.VerdictReached, verdict=verdicts(at_us)),
        fact(
            f.OutcomeReported,
            proposal_id=st.just("p-1"),
            agent=agents,
            capability=capabilities,
            action=st.sampled_from(ACTIONS[:2]),
            ok=st.sampled_from([False, False, False, True]),
            by=st.sampled_from(["executor", "incumbent"]),
        ),
        fact(f.MessageObserved, episode=episodes, source=st.sampled_from(["person", "tool", "agent"]), text=texts),
        fact(f.EpisodeClosed, episode=episodes),
        fact(f.MetricObserved, series=st.sampled_from(["cpu", "errors"]), value=st.floats(-1e140, 1e140)),
        fact(f.KillSwitchSet, scope=scopes, by=people, reason=texts),
        fact(f.KillSwitchCleared, scope=scopes, by=people),
        fact(f.CapabilityPromoted, capability=capabilities, by=people),
        fact(f.CapabilityDemoted, capability=names, by=people),
        fact(f.RolloutPaused, capability=names, reason=reasons, by=people),
        fact(f.RolloutResumed, capability=names, reason=reasons, by=people),
    ]
    if adopting:
        kinds.append(st.sampled_from([policy.adopted(at_us) for policy in POLICIES]))
    return st.one_of(kinds)


GAPS_US = (0, 0, 1, SECOND_US, 30 * SECOND_US, MINUTE_US, 20 * MINUTE_US, HOUR_US, DAY_US)


@st.composite
def histories(draw: st.DrawFn, *, most: int = 30, adopting: bool = True) -> list[f.Fact]:
    """Facts of every kind in order of time, beginning with the adoption of the shipped policy."""
    at_us = NOON_US
    history: list[f.Fact] = [shipped().adopted(at_us)]
    for gap_us in draw(st.lists(st.sampled_from(GAPS_US), max_size=most)):
        at_us += gap_us
        history.append(draw(facts_at(at_us, adopting=adopting)))
    return history
