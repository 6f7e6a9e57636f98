"""Lanes: the part of a replay that can run beside itself.

Each worker owns some of a recording's eight lanes. In group after group it folds the episodes and series of
its lanes, assesses the proposals in them, and hands on what must be settled in one common order. Workers
never wait for each other, and whatever their number, the same bytes come out.
"""

from collections import Counter
from time import perf_counter_ns
from typing import Any, cast

from msgspec import Raw, Struct

from engine.core.decide import Claim, assess
from engine.core.evolve import KEYED, evolve
from engine.core.policy import Policy, Remembered, Weighed
from engine.core.signals import fold_metric
from engine.core.state import State, decode_state, encode_state
from engine.core.vocabulary.facts import OWN_FACTS, AnyFact, MetricObserved, ProposalReceived, encode
from engine.core.vocabulary.verdicts import Assessment
from engine.errors import RecordingError
from simulator.recording import LaneFrame, Recording, lane_of_key, lanes_of


class Span(Struct, frozen=True):
    """The times to replay, microseconds since 1970; `None` leaves an end open."""

    from_us: int | None = None
    """Facts before it build up state, but their verdicts are left out of the results."""
    until_us: int | None = None
    """Facts at or after it are left out altogether."""


EVERYTHING = Span()
_IMPORT = "import it again with watchkeeper import"
_NO_ARGS: dict[str, Any] = {}


class Assessed(Struct, array_like=True, gc=False):
    """One proposal on its way to be settled: what each policy's first gates said."""

    seq: int
    line: bytes
    """The proposal's fact, as recorded; empty where nobody keeps it."""
    environment: str
    confidence: float | None
    claims: list[Claim]
    weighed: list[Weighed]
    """How those gates weighed it. The assessment is canonical JSON already, to be embedded in a verdict."""
    took_ns: int
    args: dict[str, Any]
    """What standing approvals may name; empty where the recording has none of those."""


class Shared(Struct, array_like=True, gc=False):
    """One fact that everybody must see in order."""

    seq: int
    fact: AnyFact


class Batch(Struct, array_like=True):
    """What one worker made of its lanes of one group."""

    group: int
    assessed: list[Assessed]
    shared: list[Shared]
    kinds: dict[str, int]
    """Facts replayed, by kind."""
    last_us: int
    """The latest time among them; 0 when there were none."""
    keyed: list[bytes] | None
    """The keyed slices after this group, where they were asked for: one state for each policy."""


class LaneWorker:
    """Folds and assesses some lanes of a recording, under one policy or several at once."""

    def __init__(
        self,
        recording: Recording,
        lanes: frozenset[int],
        policies: list[Policy],
        span: Span,
        *,
        keyed: list[bytes] | None = None,
        with_lines: bool = True,
    ) -> None:
        """Begin at the first group, or go on from the keyed slices of an earlier run (of all lanes).

        Without lines, proposals are handed on without the facts they were recorded as.
        """
        self._recording, self._span, self._with_lines = recording, span, with_lines
        self._with_args = "standing_given" in recording.footer.kinds
        self._frames = [entry for entry in recording.frames if entry.lane in lanes]
        self._by_group: dict[int, list[int]] = {}
        for position, entry in enumerate(self._frames):
            self._by_group.setdefault(entry.group, []).append(position)
        self._states = (
            [_own(body, lanes) for body in keyed] if keyed else [_begin(policy) for policy in policies]
        )
        known = [Remembered(form=_written) for _ in policies]
        self._tracks = list(zip(policies, self._states, known, strict=True))
        self._guarded = frozenset[str]().union(*(policy.rollouts.guarded for policy in policies))
        for state in self._states[1:]:
            # Series are the same under every policy: one fold serves all.
            state.signals = self._states[0].signals

    def batch(self, group: int, *, with_keyed: bool) -> Batch:
        """Take one group. Groups must come in order, for state is folded along the way.

        Raises `RecordingError` when a frame is damaged.
        """
        batch = Batch(group, [], [], {}, 0, None)
        for position in self._by_group.get(group, ()):
            self._take(batch, position)
        batch.assessed.sort(key=_seq)
        batch.shared.sort(key=_seq)
        if with_keyed:
            batch.keyed = [encode_state(state) for state in self._states]
        return batch

    def _take(self, batch: Batch, position: int) -> None:
        frame = self._recording.read_frame(self._frames[position])
        facts, kinds = frame.facts(), batch.kinds
        until_us, states, lines = self._span.until_us, self._states, None
        signals = states[0].signals
        for place, fact in enumerate(facts):
            if until_us is not None and fact.at_us >= until_us:
                # Facts stand in order of time, so nothing that follows belongs to the span.
                facts = facts[:place]
                break
            # Exact types: `isinstance` asks every class that does not fit, which costs more.
            if type(fact) is MetricObserved:
                # What `evolve` does, without its look-up: nothing else is as frequent as this.
                fold_metric(signals, fact)
            elif type(fact) is ProposalReceived:
                if lines is None and self._with_lines:
                    lines = frame.lines.split(b"\n")
                line = lines[place] if lines is not None else b""
                batch.assessed.append(self._assess(frame.seqs[place], line, fact))
            elif type(fact) in OWN_FACTS:
                raise RecordingError(
                    f"fact {frame.seqs[place]:,} is one that only the engine may state",
                    place=frame.place,
                    cure=_IMPORT,
                )
            elif type(fact) in KEYED:
                for state in states:
                    evolve(state, fact)
            else:
                batch.shared.append(Shared(frame.seqs[place], fact))
        if facts:
            last_us = facts[-1].at_us
            batch.last_us = max(batch.last_us, last_us)
            for state in states:
                state.now_us = max(state.now_us, last_us)
        batch.shared += self._guardrails(frame, facts)
        self._check_lane(frame, facts)
        for kind, count in Counter(map(type, facts)).items():
            kinds[kind.__name__] = kinds.get(kind.__name__, 0) + count

    def _guardrails(self, frame: LaneFrame, facts: list[AnyFact]) -> list[Shared]:
        """Pick out the points of guardrails: rollouts count them too, and see all that happens in order."""
        if not self._guarded:
            return []
        return [
            Shared(frame.seqs[place], fact)
            for place, fact in enumerate(facts)
            if isinstance(fact, MetricObserved) and fact.series in self._guarded
        ]

    @staticmethod
    def _check_lane(frame: LaneFrame, facts: list[AnyFact]) -> None:
        """Refuse facts in another lane than their own: with other shards they would be folded apart."""
        series = {fact.series for fact in facts if type(fact) is MetricObserved}
        others = [fact for fact in facts if type(fact) is not MetricObserved]
        if not {lane_of_key(name) for name in series} | lanes_of(others) <= {frame.entry.lane}:
            raise RecordingError("facts lie in a lane that is not theirs", place=frame.place, cure=_IMPORT)
        seqs = frame.seqs
        if others and seqs != sorted(set(seqs)):
            raise RecordingError("sequence numbers do not rise", place=frame.place, cure=_IMPORT)

    def _assess(self, seq: int, line: bytes, fact: ProposalReceived) -> Assessed:
        proposal = fact.proposal
        claims: list[Claim] = []
        weighed: list[Weighed] = []
        began = perf_counter_ns()
        for policy, state, known in self._tracks:
            claim, weight = assess(policy, state.episodes, proposal, fact.at_us, known)
            claims.append(claim)
            weighed.append(weight)
        took = perf_counter_ns() - began
        args = proposal.args if self._with_args else _NO_ARGS
        return Assessed(seq, line, proposal.environment, proposal.confidence, claims, weighed, took, args)


def _written(assessment: Assessment) -> Assessment:
    # Nothing looks into an assessment on its way into a verdict, so it may as well travel as bytes.
    return cast("Assessment", Raw(encode(assessment)))


def _begin(policy: Policy) -> State:
    return evolve(State(), policy.adopted(0))


def _own(body: bytes, lanes: frozenset[int]) -> State:
    """Keep the keyed slices of these lanes only: the others go on elsewhere."""
    state = decode_state(body)
    state.episodes.by_id = {k: v for k, v in state.episodes.by_id.items() if lane_of_key(k) in lanes}
    state.signals.by_series = {k: v for k, v in state.signals.by_series.items() if lane_of_key(k) in lanes}
    return state


def _seq(item: Assessed | Shared) -> int:
    return item.seq
