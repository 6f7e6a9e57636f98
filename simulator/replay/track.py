"""A track: one policy on its way through a recording, settling every claim in the one common order."""

import hashlib
from time import perf_counter_ns
from typing import cast

import msgspec
from msgspec import UNSET, Struct

from engine.core.decide import FOLLOWED, follow, settle
from engine.core.evolve import evolve
from engine.core.policy import Policy
from engine.core.provenance.heard import Episodes
from engine.core.signals import Signals
from engine.core.state import State, absorb, decode_state
from engine.core.vocabulary.facts import Fact, VerdictReached, encode, encode_into
from engine.core.vocabulary.ids import Digest
from engine.core.vocabulary.verdicts import Assessment, Objection, Verdict
from engine.core.work import changes, standing_approvals
from simulator.kpis import Following
from simulator.replay.lanes import Assessed


class Decided(Struct, gc=False):
    """One settled proposal."""

    asked: Assessed
    verdict: Verdict
    line: bytearray
    """The verdict's fact in canonical JSON, until the next one is settled."""
    objections: tuple[Objection, ...]
    took_ns: int
    """Time to decide, all gates together. Measured, so never part of a hash."""


def _whole(verdict: Verdict) -> Verdict:
    """Return a verdict with what the first gates said, which travels as bytes."""
    said = msgspec.json.decode(cast("msgspec.Raw", verdict.assessment), type=Assessment)
    return msgspec.structs.replace(verdict, assessment=said)


class Track:
    """State and running hash of one policy."""

    def __init__(
        self,
        position: int,
        policy: Policy,
        content: Digest,
        span: tuple[int | None, int | None],
        kpis: Following | None = None,
    ) -> None:
        """Begin before the first fact. `position` is this policy's place among those replayed together.

        `kpis` sees all that happens, and changes nothing.
        """
        self._position, self.policy, self.kpis = position, policy, kpis
        self.state = State()
        # Another recording, span or policy must give another hash even where no verdict differs.
        self._chain = hashlib.sha256(f"{content} {policy.policy_hash} {span}".encode()).digest()
        self._group = hashlib.sha256()
        self._line = bytearray()

    def begin(self, at_us: int) -> None:
        """Adopt the policy at the time of the first fact."""
        fact = self.policy.adopted(at_us)
        evolve(self.state, fact)
        self._group.update(encode(fact))
        if self.kpis is not None:
            self.kpis.take(fact)

    def take(self, fact: Fact) -> None:
        """Fold a fact everybody sees, and what follows from it."""
        evolve(self.state, fact)
        if self.kpis is not None:
            self.kpis.take(fact)
        if isinstance(fact, FOLLOWED):
            follow(self.policy, self.state, fact, self._fold)

    def _fold(self, consequence: Fact) -> None:
        evolve(self.state, consequence)
        self._group.update(encode(consequence))
        if self.kpis is not None:
            self.kpis.take(consequence)

    def settle(self, asked: Assessed) -> Decided:
        """Decide one proposal and fold the verdict."""
        began = perf_counter_ns()
        claim, weighed = asked.claims[self._position], asked.weighed[self._position]
        verdict, against = settle(self.policy, self.state, claim, weighed)
        took = perf_counter_ns() - began
        fact = folded = VerdictReached(at_us=verdict.at_us, verdict=verdict)
        if verdict.assignment and verdict.word != "allow":
            # What stood in a candidate's way is read from what the first gates said.
            folded = VerdictReached(at_us=verdict.at_us, verdict=_whole(verdict))
        evolve(self.state, folded)
        if self.kpis is not None:
            self.kpis.take(folded)
        line = self._line
        encode_into(fact, line)
        self._group.update(line)
        also: list[Fact] = [fact]
        over = standing_approvals.let_go(self.state.standing, verdict, asked.args)
        if over is not None:
            self._fold(over)
            also.append(over)
        if verdict.changed is not UNSET:
            for consequence in changes.after(self.state.holds, _whole(verdict), self.policy.actions)[0]:
                self._fold(consequence)
                also.append(consequence)
        if self.policy.voting.competition is not None:
            # What follows from a verdict alone: that others want the same.
            for each in also:
                if isinstance(each, FOLLOWED):
                    follow(self.policy, self.state, each, self._fold)
        return Decided(asked, verdict, line, against, asked.took_ns + took)

    def end_group(self, facts: list[bytes]) -> None:
        """Chain a group: the hashes of its facts, lane by lane, and the hash of all verdicts in it.

        Hashing by group rather than by fact is what keeps the journal hash cheap (see the benchmarks).
        """
        chain = hashlib.sha256(self._chain)
        for digest in facts:
            chain.update(digest)
        chain.update(self._group.digest())
        self._chain, self._group = chain.digest(), hashlib.sha256()

    @property
    def journal_hash(self) -> Digest:
        """The chain over all groups so far."""
        return Digest(self._chain.hex())

    def state_with(self, keyed: list[State], now_us: int) -> State:
        """Put state together with the keyed slices the workers folded. The shared slices are not copied."""
        whole = msgspec.structs.replace(
            self.state,
            now_us=max(self.state.now_us, now_us),
            episodes=Episodes(idle_us=self.state.episodes.idle_us),
            signals=Signals(),
        )
        for part in keyed:
            absorb(whole, part)
        return whole

    def resume(self, state: bytes, chain: bytes) -> None:
        """Go on from a checkpoint at the end of a group. The workers go on with the keyed slices."""
        self.state, self._chain = decode_state(state), chain
        self.state.episodes.by_id, self.state.signals.by_series = {}, {}

    def checkpoint(self) -> bytes:
        """Return the chain so far, for `resume`."""
        return self._chain
