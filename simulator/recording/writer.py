"""Writing a recording: one pass, flat memory, all or nothing."""

import contextlib
import hashlib
import tempfile
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec
import zstandard

from engine.adapters.files import atomic_write
from engine.core.vocabulary.facts import Fact, ProposalReceived, encode
from engine.core.vocabulary.ids import Digest
from engine.errors import RecordingError
from simulator.recording.format import (
    GROUP_BYTES,
    GROUP_FACTS,
    LANES,
    LEVEL,
    TAIL,
    TAIL_CONTENT_BYTES,
    TAIL_MAGIC,
    AnyLabel,
    EpisodeLabel,
    Footer,
    FrameEntry,
    FrameHead,
    Header,
    RecordedStep,
    content_digest,
    lane_of,
    to_line,
)
from simulator.recording.spill import SortedSpill

LABELS_IN_MEMORY: Final = 4 * 1024 * 1024
"""Compressed labels past this wait on disk until the facts are all written."""


class RecordingWriter:
    """Write facts, and labels apart from them, to a new recording.

    Use it with `with`: the file appears, complete, when the block ends well. After an error or Ctrl-C there
    is nothing, and a recording that stood there before stands there still. Memory does not grow with the
    number of facts: 16,384 wait for their group, labels and the check for repeated proposals overflow to
    disk, and the index takes some 100 bytes for every 2,000 facts.

    Raises `RecordingError` when two proposals share an id, and `StorageError` when the disk refuses.
    """

    def __init__(self, path: Path | str, header: Header, *, group_facts: int | None = None) -> None:
        """Name the file; nothing is opened before `with`.

        Replays stop, show progress and keep checkpoints between groups: `group_facts` makes them smaller, for
        short histories. `None` means 16,384.
        """
        self._group_facts = group_facts
        self.path = Path(path)
        self.header = header
        self.source_rows: int | None = None
        """Rows of the imported source, for the footer; set it before the block ends."""
        self.footer: Footer | None = None
        """What was written; `None` until the block has ended well."""
        self.facts = 0
        """Facts written so far."""
        self.labels = 0
        """Labels written so far."""
        self._stack = contextlib.ExitStack()
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._lanes: list[list[bytes]] = [[] for _ in range(LANES)]
        self._seqs: list[list[int]] = [[] for _ in range(LANES)]
        self._group_start = 1
        self._group_held = 0
        self._group_sizes: list[int] = []
        self._frames: list[FrameEntry] = []
        self._label_lines: list[bytes] = []
        self._label_frames: list[FrameEntry] = []
        self._kinds: Counter[type[Fact]] = Counter()
        self._label_kinds: Counter[str] = Counter()
        self._first_at_us: int | None = None
        self._last_at_us: int | None = None
        self._in_time_order = True

    def __enter__(self) -> Self:
        """Open the new file beside its final name."""
        with contextlib.ExitStack() as stack:
            self._file: IO[bytes] = stack.enter_context(atomic_write(self.path))
            self._ids = stack.enter_context(SortedSpill())
            self._label_file = stack.enter_context(tempfile.SpooledTemporaryFile(LABELS_IN_MEMORY))
            packed = self._compressor.compress(to_line(self.header))
            self._file.write(packed)
            self._offset = len(packed)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file and give it its name; after an error, leave nothing."""
        if error is not None:
            # The stack's own exits decide by the error that nothing is kept.
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self.footer = self._finish()

    def write(self, fact: Fact) -> int:
        """Take the next fact and return its sequence number."""
        self.facts += 1
        line = encode(fact)
        lane = lane_of(fact)
        self._lanes[lane].append(line)
        self._seqs[lane].append(self.facts)
        self._kinds[type(fact)] += 1
        self._note_time(fact.at_us)
        if isinstance(fact, ProposalReceived):
            self._ids.add(fact.proposal.proposal_id.encode(), self.facts.to_bytes(8))
        self._group_held += len(line)
        most = self._group_facts or GROUP_FACTS
        if self.facts - self._group_start + 1 >= most or self._group_held >= GROUP_BYTES:
            self._end_group()
        return self.facts

    def label(self, label: AnyLabel | EpisodeLabel | RecordedStep) -> None:
        """Take a label; it will lie behind all facts, in frames of its own."""
        self.labels += 1
        self._label_kinds[str(label.__struct_config__.tag)] += 1
        self._label_lines.append(to_line(label))
        if len(self._label_lines) >= GROUP_FACTS:
            self._end_labels()

    def _note_time(self, at_us: int) -> None:
        if self._first_at_us is None or self._last_at_us is None:
            self._first_at_us = self._last_at_us = at_us
        elif at_us >= self._last_at_us:
            self._last_at_us = at_us
        else:
            # Compared with the latest so far rather than the one before: the same, while all are in order.
            self._in_time_order = False
            self._first_at_us = min(self._first_at_us, at_us)

    def _end_group(self) -> None:
        group = len(self._group_sizes)
        for lane, (lines, seqs) in enumerate(zip(self._lanes, self._seqs, strict=True)):
            if lines:
                head = to_line(FrameHead(group=group, lane=lane, seqs=seqs))
                body = b"".join((head, b"\n".join(lines), b"\n"))
                entry = self._pack(body, self._file, self._offset, lane=lane, count=len(lines))
                self._frames.append(entry)
                self._offset += entry.length
        self._group_sizes.append(self.facts - self._group_start + 1)
        self._group_start = self.facts + 1
        self._group_held = 0
        self._lanes = [[] for _ in range(LANES)]
        self._seqs = [[] for _ in range(LANES)]

    def _end_labels(self) -> None:
        # Offsets within the waiting room for now: where labels begin is known when the last fact is written.
        at = self._label_file.tell()
        body = b"".join(self._label_lines)
        entry = self._pack(body, self._label_file, at, lane=-1, count=len(self._label_lines))
        self._label_frames.append(entry)
        self._label_lines = []

    def _pack(self, body: bytes, file: IO[bytes], offset: int, *, lane: int, count: int) -> FrameEntry:
        packed = self._compressor.compress(body)
        file.write(packed)
        return FrameEntry(
            group=len(self._group_sizes) if lane >= 0 else len(self._label_frames),
            lane=lane,
            offset=offset,
            length=len(packed),
            size=len(body),
            count=count,
            first_seq=self._group_start if lane >= 0 else 0,
            sha256=Digest(hashlib.sha256(body).hexdigest()),
            packed_sha256=Digest(hashlib.sha256(packed).hexdigest()),
        )

    def _finish(self) -> Footer:
        if self.facts >= self._group_start:
            self._end_group()
        if self._label_lines:
            self._end_labels()
        self._refuse_repeats()
        self._label_file.seek(0)
        labels_at = self._offset
        while chunk := self._label_file.read(1 << 20):
            self._file.write(chunk)
            self._offset += len(chunk)
        footer = Footer(
            facts=self.facts,
            labels=self.labels,
            label_kinds=dict(sorted(self._label_kinds.items())),
            source_rows=self.source_rows,
            first_at_us=self._first_at_us,
            last_at_us=self._last_at_us,
            in_time_order=self._in_time_order,
            kinds=dict(sorted((str(k.__struct_config__.tag), n) for k, n in self._kinds.items())),
            group_sizes=self._group_sizes,
            frames=self._frames,
            label_frames=[_moved(entry, labels_at) for entry in self._label_frames],
            content_sha256=content_digest(self.header, self._frames),
        )
        self._file.write(self._compressor.compress(to_line(footer)))
        self._file.write(TAIL.pack(TAIL_MAGIC, TAIL_CONTENT_BYTES, self._offset))
        return footer

    def _refuse_repeats(self) -> None:
        last_id, last_seq = b"", b""
        for proposal_id, seq in self._ids:
            if last_seq and proposal_id == last_id:
                raise RecordingError(
                    f"facts {int.from_bytes(last_seq):,} and {int.from_bytes(seq):,} are two proposals with "
                    f"one id, {proposal_id.decode()!r}",
                    place=self.path.name,
                    cure="make each proposal_id occur once in the source",
                )
            last_id, last_seq = proposal_id, seq


def _moved(entry: FrameEntry, by: int) -> FrameEntry:
    return msgspec.structs.replace(entry, offset=entry.offset + by)
