"""The driver: groups in, verdicts out, in one order whatever the number of shards."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter

from msgspec import Struct

from engine.core.kpis.definitions import Kpi
from engine.core.state import State, decode_state, encode_state, state_hash
from engine.core.vocabulary.facts import DecisionRated, Fact, OutcomeReported
from engine.core.vocabulary.ids import Digest
from engine.errors import RecordingError
from engine.wiring import PolicySource, build_policy
from simulator.kpis import Following, KpiCourse
from simulator.recording import Recording
from simulator.replay.lanes import EVERYTHING, Assessed, Batch, Shared, Span
from simulator.replay.results import Checkpoint, Results
from simulator.replay.shards import Shards, Work, open_shards
from simulator.replay.track import Track

# Work that a `kill -9` may cost. Ctrl-C costs none.
_CHECKPOINT_S = 2.0
_SLICE_S = 0.1
_COLLECT_GROUPS = 64


class Progress(Struct, frozen=True):
    """How far a replay is."""

    facts: int
    of: int
    decisions: int


class TrackEnd(Struct, frozen=True, kw_only=True):
    """What one policy came to."""

    policy: str
    policy_hash: Digest
    journal_hash: Digest
    state_hash: Digest
    state: State
    kpis: KpiCourse | None
    """`None` where nobody asked for them."""


class ReplayEnd(Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    finished: bool
    """Whether the whole span was replayed; otherwise somebody stopped it, and it can go on."""
    kinds: dict[str, int]
    """Facts replayed, by kind."""
    seconds: float
    """Of this run alone."""
    facts_this_run: int
    decisions_this_run: int
    tracks: list[TrackEnd]


class Replay:
    """One replay of one recording under one policy or two."""

    def __init__(
        self,
        recording: Recording,
        sources: list[PolicySource],
        *,
        results: Results | None = None,
        span: Span = EVERYTHING,
        shards: int = 1,
        speed: float | None = None,
        kpis: tuple[Kpi, ...] = (),
    ) -> None:
        """Prepare; nothing runs yet. Raises `RecordingError` when the facts do not stand in order of time.

        `results` keeps every decision; `None` keeps only the hashes. `speed` is recorded seconds in a real
        second; `None` means as fast as it goes. `kpis` are counted on the way.
        """
        if not recording.footer.in_time_order:
            raise RecordingError(
                "its facts do not stand in order of time, so windows and holds would mean nothing",
                place=str(recording.path),
                cure="sort the source by time and import it again; generic mappings take `sort: true`",
            )
        self._recording, self._results, self._span, self._shards = recording, results, span, shards
        self._sources = [source.with_recorded(recording.header.actions) for source in sources]
        self._speed = speed
        footer = recording.footer
        content, ends = footer.content_sha256, (span.from_us, span.until_us)
        first_us, last_us = footer.first_at_us or 0, footer.last_at_us or 0
        self._tracks = [
            Track(
                position,
                build_policy(source),
                content,
                ends,
                Following(kpis, first_us, last_us) if kpis else None,
            )
            for position, source in enumerate(self._sources)
        ]
        self._kinds: Counter[str] = Counter()
        self._decisions = 0
        self._now_us = 0
        self._stop = False
        self._paced_from: tuple[float, int] | None = None
        self._states: list[State] = []
        self._digests: dict[int, list[bytes]] = {}
        for entry in recording.frames:
            self._digests.setdefault(entry.group, []).append(bytes.fromhex(entry.sha256))

    def stop(self) -> None:
        """End after the groups under way. Safe to call from a signal handler."""
        self._stop = True

    def run(self, progress: Callable[[Progress], None] = lambda _: None) -> ReplayEnd:
        """Replay to the end, or until somebody stops it. Raises `RecordingError` and `StorageError`."""
        began = time.perf_counter()
        groups = len(self._recording.footer.group_sizes)
        following, keyed = self._begin_or_go_on()
        already = self._kinds.total()
        work = Work(self._recording, self._sources, self._span, keyed, self._results is not None)
        with _no_garbage(), open_shards(work, self._shards) as shards:
            following = self._groups(shards, following, groups, progress)
            shards.ask(-1, with_keyed=True)
            self._keep(following, shards.answers())
        return ReplayEnd(
            finished=following == groups,
            kinds=dict(sorted(self._kinds.items())),
            seconds=time.perf_counter() - began,
            facts_this_run=self._kinds.total() - already,
            decisions_this_run=self._decisions,
            tracks=[
                TrackEnd(
                    policy=source.place,
                    policy_hash=track.policy.policy_hash,
                    journal_hash=track.journal_hash,
                    state_hash=state_hash(state),
                    state=state,
                    kpis=track.kpis.end(self._now_us) if track.kpis is not None else None,
                )
                for source, track, state in zip(self._sources, self._tracks, self._states, strict=True)
            ],
        )

    def _begin_or_go_on(self) -> tuple[int, list[bytes] | None]:
        checkpoint = self._results.checkpoint if self._results else None
        if checkpoint is None:
            for track in self._tracks:
                track.begin(self._recording.footer.first_at_us or 0)
            return 0, None
        for track, state, chain in zip(self._tracks, checkpoint.states, checkpoint.chains, strict=True):
            track.resume(state, chain)
        for track, body in zip(self._tracks, checkpoint.kpis, strict=False):
            if track.kpis is not None:
                track.kpis.resume(body)
        self._kinds.update(checkpoint.kinds)
        self._now_us = checkpoint.now_us
        return checkpoint.next_group, checkpoint.states

    def _groups(
        self, shards: Shards, following: int, groups: int, progress: Callable[[Progress], None]
    ) -> int:
        """Take group after group; return the first one not taken."""
        asked, saved, total = following, time.monotonic(), self._recording.footer.facts
        waiting: list[bool] = []
        while True:
            while asked < groups and len(waiting) < shards.ahead and not self._stop:
                due = time.monotonic() - saved > _CHECKPOINT_S and not any(waiting)
                shards.ask(asked, with_keyed=due)
                waiting.append(due)
                asked += 1
            if not waiting:
                return following
            batches = shards.answers()
            self._settle(following, batches)
            following += 1
            if waiting.pop(0):
                self._keep(following, batches)
                saved = time.monotonic()
            if following % _COLLECT_GROUPS == 0:
                gc.collect()
            progress(Progress(self._kinds.total(), total, self._decisions))

    def _settle(self, group: int, batches: list[Batch]) -> None:
        items: list[Assessed | Shared] = [item for batch in batches for item in batch.assessed]
        for batch in batches:
            items += batch.shared
            self._kinds.update(batch.kinds)
            self._now_us = max(self._now_us, batch.last_us)
        if len(batches) > 1 or any(batch.shared for batch in batches):
            items.sort(key=attrgetter("seq"))
        from_us, results, paced = self._span.from_us, self._results, self._speed is not None
        for item in items:
            if not isinstance(item, Assessed):
                if paced:
                    self._pace(item.fact.at_us)
                for track in self._tracks:
                    track.take(item.fact)
                _note(results, item.fact)
                continue
            at_us = item.claims[0].at_us
            if paced:
                self._pace(at_us)
            counted = from_us is None or at_us >= from_us
            self._decisions += counted
            for position, track in enumerate(self._tracks):
                decided = track.settle(item)
                if results is not None and counted:
                    results.add(position, decided)
        self._pace(max(batch.last_us for batch in batches))
        for track in self._tracks:
            track.end_group(self._digests.get(group, []))
        if results is not None:
            results.end_group()

    def _keep(self, following: int, batches: list[Batch]) -> None:
        """Put the keyed slices back together with the shared ones, and save the whole if there is where."""
        keyed = [
            [decode_state(batch.keyed[position]) for batch in batches if batch.keyed is not None]
            for position in range(len(self._tracks))
        ]
        self._states = [
            track.state_with(parts, self._now_us) for track, parts in zip(self._tracks, keyed, strict=True)
        ]
        if self._results is not None:
            self._results.commit(
                Checkpoint(
                    following,
                    self._now_us,
                    dict(self._kinds),
                    [track.checkpoint() for track in self._tracks],
                    [encode_state(state) for state in self._states],
                    [track.kpis.checkpoint() for track in self._tracks if track.kpis is not None],
                )
            )

    def _pace(self, at_us: int) -> None:
        """Wait until the recorded moment comes, at the speed asked for."""
        if self._speed is None or not at_us:
            return
        now = time.monotonic()
        if self._paced_from is None:
            self._paced_from = (now, at_us)
        start, first_us = self._paced_from
        due = start + (at_us - first_us) / 1_000_000 / self._speed
        while not self._stop and (left := due - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_S))


def _note(results: Results | None, fact: Fact) -> None:
    """Keep what a recording says came of a proposal: whether it was right is no policy's to say."""
    if results is None:
        return
    if isinstance(fact, OutcomeReported) and fact.by == "executor":
        results.add_known(fact.proposal_id, right=fact.ok, rated=False)
    elif isinstance(fact, DecisionRated) and fact.confidence is not None and fact.rating != "late":
        results.add_known(fact.proposal_id, right=fact.rating == "useful", rated=True)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Facts hold no cycles: without the collector a replay takes a third less time (see the benchmarks)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
