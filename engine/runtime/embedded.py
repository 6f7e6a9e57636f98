"""The embedded engine: decides for one short-lived process, where no service runs, and then is gone.

It is the loop of the live engine on the same journal, with the same stops in front of it. What it leaves out
is what takes time to go by or somebody to be there: it performs nothing, wakes nobody, and asks no ladder.
Whoever holds the journal's lock has it to themselves, so calls come one after another.
"""

from collections.abc import Callable
from typing import Final

from engine.core.decide import Decisions
from engine.core.evident import with_evident
from engine.core.policy import Policy
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, PersonId, ProposalId
from engine.core.vocabulary.proposals import Proposal
from engine.core.work.answers import timed_out
from engine.ports import Durability, Fence, Journal, Scrubber
from engine.runtime.loop import Loop
from engine.runtime.proposing import Reached, outcome_of, reached

# Restoring folds what came after the newest snapshot, 30 µs a record; a snapshot costs some milliseconds.
_MOST_BEHIND: Final = 256
_CATCH_UP: Final = "catch-up"


class Embedded:
    """One engine on one journal, for as long as the journal is open."""

    def __init__(
        self,
        policy: Policy,
        scrubber: Scrubber,
        journal: Journal,
        fence: Fence,
        now_us: Callable[[], int],
    ) -> None:
        """Restore state, and have the journal know the policy. Raises `JournalError` and `StorageError`."""
        self._journal, self._fence, self._now_us = journal, fence, now_us
        self._policy, self._scrubber = policy, scrubber
        self._loop = Loop(policy, journal, performing=True)
        self._loop.adopt(now_us())

    def propose(self, proposal: Proposal) -> Reached:
        """Decide on a proposal; one that is known keeps the verdict it has.

        Raises `JournalError` when its id belongs to another proposal, and `StorageError`.
        """
        now_us = self._now_us()
        proposal = with_evident(self._policy.actions, proposal)
        received = f.ProposalReceived(at_us=now_us, proposal=proposal)
        decided = self._feed([*self._catching_up(now_us), ("", received)])
        return reached(self._journal, proposal.proposal_id, decided[-1].facts, self._journal.head().seq)

    def known(self, proposal_id: ProposalId) -> Reached:
        """Say where an earlier proposal stands now. Raises `InputError` when there is none."""
        if missed := self._catching_up(self._now_us()):
            self._feed(missed)
        return reached(self._journal, proposal_id, (), 0)

    def report(
        self, proposal_id: ProposalId, agent: AgentId, *, ok: bool, detail: str, at_prompt: bool = False
    ) -> None:
        """Take what an agent says came of its proposal. Raises as `outcome_of` does, and `StorageError`."""
        fact = outcome_of(
            self._journal,
            proposal_id,
            agent,
            ok=ok,
            detail=detail,
            at_us=self._now_us(),
            at_prompt=at_prompt,
        )
        self._feed([(f"outcome:{proposal_id}", fact)], Durability.RELAXED)

    def stopped(self, agent: AgentId, capability: CapabilityId, action: ActionName) -> str:
        """Say which stop covers such an action, looking at the fence now; empty when none does."""
        for stop in self._fence.stops():
            if stop.scope.covers(agent, capability, action):
                return f"{stop.by} stopped {stop.scope}"
        return ""

    def tidy(self) -> None:
        """Write state down where the next one would have much to fold. Raises `StorageError`."""
        if self._journal.head().seq - self._loop.restored_from > _MOST_BEHIND:
            self._loop.snapshot()

    def _feed(
        self, facts: list[tuple[str, f.Fact]], durability: Durability = Durability.SYNCED
    ) -> list[Decisions]:
        """Look through facts, and only then take them."""
        looked = [self._scrubber.scrub(key, fact) for key, fact in facts]
        return self._loop.feed([each() if callable(each) else each for each in looked], durability=durability)

    def _catching_up(self, now_us: int) -> list[tuple[str, f.Fact]]:
        """Return what happened that no engine was there to journal: stops that were set, time that passed."""
        state, seq = self._loop.state, self._journal.head().seq
        missed: list[tuple[str, f.Fact]] = [
            (
                f"stop:{stop.scope}:{seq}",
                f.KillSwitchSet(
                    at_us=min(stop.at_us, now_us), scope=stop.scope, by=PersonId(stop.by), reason=stop.reason
                ),
            )
            for stop in self._fence.stops()
            if str(stop.scope) not in state.stops.by_scope
        ]
        if timed_out(state.holds, now_us, state.policy_hash):
            missed.append((f"time:{_CATCH_UP}:{now_us}", f.TimePassed(at_us=now_us, schedule=_CATCH_UP)))
        return missed
