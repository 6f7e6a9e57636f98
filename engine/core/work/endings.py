"""Endings: what follows when an effect has ended, and when somebody wants one taken back."""

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import AskPeople, Effect, TakeBack
from engine.core.vocabulary.facts import EffectEnded, Fact, OutcomeReported, UndoRequested
from engine.core.vocabulary.ids import undo_id
from engine.core.vocabulary.verdicts import Wait

ENGINE = "engine"
"""Who asks for an undo that nobody else asked for."""

ASKED: tuple[Wait, ...] = (Wait(kind="person", role="responder"),)


def after(action: Action | None, fact: EffectEnded) -> tuple[tuple[Fact, ...], tuple[Effect, ...]]:
    """Say what follows from the end of an effect.

    What was done or failed is an outcome of its proposal, on which breakers count; what was stopped or
    refused says nothing about the capability. A failure is taken back where its action says so. What nobody
    knows, and an undo that did not work, is put before a person.
    """
    if fact.kind == "preview":
        return (), ()
    if fact.status == "unknown" or (fact.kind == "undo" and fact.status != "done"):
        summary = (
            f"{fact.action} ended as {fact.status}: {fact.result.error or 'nobody knows how far it got'}"
        )
        return (), (AskPeople(decision_id=fact.decision_id, waits=ASKED, summary=summary),)
    if fact.kind == "undo" or fact.status not in {"done", "failed"}:
        return (), ()
    outcome = OutcomeReported(
        at_us=fact.at_us,
        proposal_id=fact.proposal_id,
        agent=fact.agent,
        capability=fact.capability,
        action=fact.action,
        ok=fact.status == "done",
        by="executor",
        detail=fact.result.error,
    )
    if fact.status == "done" or action is None or action.run is None or not action.run.undo_on_failure:
        return (outcome,), ()
    undo = UndoRequested(
        at_us=fact.at_us,
        effect_id=undo_id(fact.effect_id, 1),
        of=fact.effect_id,
        decision_id=fact.decision_id,
        proposal_id=fact.proposal_id,
        agent=fact.agent,
        capability=fact.capability,
        action=fact.action,
        by=ENGINE,
        reason="it failed, and its action asks to be undone then",
    )
    # The taking back itself follows from this fact as from any other's wish.
    return (outcome, undo), ()


def take_back(fact: UndoRequested) -> TakeBack:
    """Turn the wish to undo into an effect."""
    return TakeBack(
        effect_id=fact.effect_id,
        of=fact.of,
        decision_id=fact.decision_id,
        proposal_id=fact.proposal_id,
        agent=fact.agent,
        capability=fact.capability,
        action=fact.action,
        by=fact.by,
        force=fact.force,
    )
