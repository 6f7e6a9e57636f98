"""A replay into a real journal: one fact at a time through the live engine's own loop.

It is slower than `Replay`, which batches, and must come to the same state: that the two agree, byte for byte,
is what makes a replay worth believing.
"""

from collections.abc import Callable

from engine.core.state import state_hash
from engine.core.vocabulary.facts import Fact
from engine.core.vocabulary.ids import Digest
from engine.ports import Durability, Journal
from engine.runtime.loop import Loop
from engine.wiring import PolicySource, build_policy
from simulator.recording import Recording
from simulator.replay.lanes import EVERYTHING, Span

_BATCH = 500


def replay_into(
    journal: Journal,
    recording: Recording,
    source: PolicySource,
    span: Span = EVERYTHING,
    progress: Callable[[int], None] = lambda _: None,
) -> Digest:
    """Append a recording's facts and the verdicts on them to an empty journal; return the hash of state.

    Effects are not performed: what is decided is kept, and nothing else happens. Raises `JournalError` and
    `StorageError` as `Journal.append` does.
    """
    loop = Loop(build_policy(source.with_recorded(recording.header.actions)), journal)
    loop.adopt(recording.footer.first_at_us or 0)
    batch: list[tuple[str, Fact]] = []
    for seq, fact in recording.facts():
        if span.until_us is not None and fact.at_us >= span.until_us:
            break
        batch.append((f"recording:{seq}", fact))
        if len(batch) >= _BATCH:
            loop.feed(batch, durability=Durability.RELAXED)
            progress(seq)
            batch.clear()
    loop.feed(batch)
    loop.snapshot()
    return state_hash(loop.state)
