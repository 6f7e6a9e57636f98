"""Ratings as the engine takes them: people say what a decision was worth."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Final

from engine.core.calibrations import fired
from engine.core.vocabulary.facts import DecisionRated
from engine.errors import InputError
from engine.runtime import wire
from engine.runtime.intake import Intake
from engine.runtime.outbox import status_of, verdict_of, was_granted

_NEVER_RAN: Final = frozenset({"refused", "vetoed"})
_UNDER_WAY: Final = frozenset({"held", "queued", "running"})


class RatingKeeper:
    """Takes ratings, each with what the decision was proposed with."""

    def __init__(self, intake: Intake, now_us: Callable[[], int]) -> None:
        """Take what facts go through."""
        self._intake, self._now_us = intake, now_us
        # One at a time, so that each finds the place after the one before it.
        self._one = asyncio.Lock()

    async def rate(self, request: wire.RateDecision) -> wire.Done:
        """Take one rating. Raises `InputError` when there is no such decision, or it is not over yet."""
        async with self._one:
            journal = self._intake.journal
            verdict = verdict_of(journal, request.decision_id)
            status = status_of(journal, verdict)
            if status in _UNDER_WAY and not verdict.shadowed:
                raise InputError(
                    f"it cannot be rated yet: it is {status}",
                    place=verdict.decision_id,
                    cure="rate it when it is over",
                )
            # What was done without us, by a person or its agent, is as good a test of the confidence.
            granted = was_granted(journal, verdict)
            ran = status in {"taken", "bypassed"} or (granted and status not in _NEVER_RAN)
            fact = DecisionRated(
                at_us=self._now_us(),
                decision_id=verdict.decision_id,
                proposal_id=verdict.proposal_id,
                agent=verdict.agent,
                capability=verdict.capability,
                action=verdict.action,
                by=request.by,
                rating=request.rating,
                reason=request.reason,
                confidence=verdict.assessment.confidence if ran else None,
                rule=fired(verdict),
            )
            keys = (f"rated:{verdict.decision_id}:{nth}" for nth in count(1))
            await self._intake.take(next(key for key in keys if journal.find(key) is None), fact)
        return wire.Done()
