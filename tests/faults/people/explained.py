"""Whether each end is explained: what a decision's path says, held against what the oracle knows."""

from __future__ import annotations

from typing import Final

from engine.commands.standing import standing_of
from engine.commands.tracing import trace
from engine.core.path import PathStep, flat
from tests.faults.people.oracle import hold
from tests.faults.people.world import World

_OVER: Final = frozenset({"done", "failed", "unknown", "stopped", "refused", "vetoed", "denied", "expired"})


def explained(world: World, decision: str) -> str:
    """Check that a decision has an end, and that its path says why. Returns the end. Raises `Broken`."""
    oracle = world.oracle
    standing = standing_of(world.store, decision)  # type: ignore[arg-type]  # a text
    hold(standing is not None, f"{decision} is not known any more")
    assert standing is not None
    hold(standing.status in _OVER, f"{decision} has no end: it is {standing.status}")
    steps = list(flat(trace(world.store, standing.verdict).steps))
    hold(all(step.what for step in steps), f"{decision} has a step that says nothing")
    kinds = {step.kind for step in steps}
    began = bool(oracle.began.get(decision))
    hold("effect_started" in kinds or not began, f"{decision} ran, and its path does not say so")
    if standing.status in {"done", "failed", "unknown", "stopped", "refused"}:
        hold("effect_ended" in kinds, f"{decision} is {standing.status}, and its path does not say so")
    elif standing.verdict.word == "hold":
        hold("hold_ended" in kinds, f"{decision} is {standing.status}, and nothing says why")
    hold(not began or standing.status not in {"denied", "expired"}, f"{decision} ran, {standing.status}")
    by = oracle.vetoed.get(decision)
    if by is not None:
        hold(_says(steps, by, "vetoed it"), f"{by} vetoed {decision}, and its path does not say so")
        if began:
            hold("undo_requested" in kinds, f"{decision} was vetoed, and nobody took back what it did")
    by = oracle.denied.get(decision)
    if by is not None:
        hold(_says(steps, by, "denied"), f"{by} denied {decision}, and its path does not say so")
    if standing.status == "expired":
        asked = oracle.asked[decision]
        changed = any(at_us >= asked.at_us and policy != asked.policy for at_us, policy in world.adopted)
        why = _says(steps, "", "nobody answered in time") or _says(steps, "", "too few agreed in time")
        why = why or (changed and _says(steps, "", "the policy changed since"))
        hold(why, f"{decision} expired for no reason")
    return standing.status


def _says(steps: list[PathStep], by: str, what: str) -> bool:
    return any(by in step.by and what in step.what for step in steps)
