"""Asking: what agents in a script say of others' decisions, as the engine is asked it."""

from collections.abc import Mapping

from engine.core.vocabulary.ids import DecisionId, PersonId
from engine.core.vocabulary.voting import AGENT
from engine.runtime import wire, wire_contests
from simulator.scenario import script as s


def vote_of(step: s.Votes, names: Mapping[str, DecisionId]) -> wire.CastVote:
    """Vote on what waits for votes."""
    return wire.CastVote(
        decision_id=names[step.name],
        voter=PersonId(f"{AGENT}{step.agent}"),
        choice=step.choice,
        rationale=step.rationale,
    )


def ballot_of(step: s.Ballots, names: Mapping[str, DecisionId]) -> wire_contests.CastBallot:
    """Vote among decisions that want the same."""
    return wire_contests.CastBallot(
        about=names[step.about],
        voter=PersonId(f"{AGENT}{step.agent}"),
        choices=tuple(names[name] for name in step.names),
        rationale=step.rationale,
    )
