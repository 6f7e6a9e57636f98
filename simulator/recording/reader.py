"""Reading a recording: any frame by itself, or all facts in their order."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NoReturn, TypeVar, cast

import msgspec
from msgspec import Struct

from engine.core.vocabulary.facts import AnyFact, decode, decode_lines
from engine.errors import RecordingError
from simulator.recording.format import (
    CURE_DAMAGED,
    LANES,
    TAIL,
    TAIL_CONTENT_BYTES,
    TAIL_MAGIC,
    VERSIONS,
    ZSTD_MAGIC,
    AnyLabel,
    EpisodeLabel,
    Footer,
    FrameEntry,
    FrameHead,
    Header,
    RecordedStep,
    content_digest,
    unpack,
    unpack_first,
)

T = TypeVar("T")

_HEADS: Final = msgspec.json.Decoder(FrameHead)
_KEPT = AnyLabel | EpisodeLabel | RecordedStep
_LABELS: Final[msgspec.json.Decoder[AnyLabel | EpisodeLabel | RecordedStep]] = msgspec.json.Decoder(_KEPT)
_WITH_STEPS: Final = 2
_OURS: Final = "make one with: watchkeeper import FORMAT SRC -o REC"


class LaneFrame(Struct, frozen=True, kw_only=True):
    """The facts of one lane of one group, still as bytes."""

    entry: FrameEntry
    place: str
    """Where it lies, for messages."""
    seqs: list[int]
    lines: bytes
    """One canonical fact on each line."""

    def facts(self) -> list[AnyFact]:
        """Decode them. Raises `RecordingError` naming the fact that this version does not understand."""
        try:
            facts = decode_lines(self.lines)
        except msgspec.DecodeError:
            self._blame()
        if len(facts) != len(self.seqs):
            raise RecordingError(
                f"{len(facts)} facts where its first line announces {len(self.seqs)}", place=self.place
            )
        return facts

    def _blame(self) -> NoReturn:
        why = "the frame is not JSON lines"
        for seq, line in zip(self.seqs, self.lines.splitlines(), strict=False):
            try:
                decode(line)
            except msgspec.DecodeError as error:
                why = f"fact {seq:,} cannot be read: {error}"
                break
        raise RecordingError(
            why, place=self.place, cure="it may come from a newer Watchkeeper: update, or import again"
        ) from None


class Recording:
    """A recording on disk, open for reading by anybody and any number of processes.

    Holds the header and the index, no file and no facts: it pickles into a worker process as it is, and what
    the worker reads is checked against the index it was given, so a file exchanged in between is noticed.

    Raises `RecordingError` when the file is missing, is no recording, is cut short, damaged, or newer than
    this program. Opening checks the header and the index; each frame is checked when it is read.
    """

    def __init__(self, path: Path | str) -> None:
        """Open and check everything but the facts and labels themselves."""
        self.path = Path(path)
        try:
            with self.path.open("rb") as file:
                self._open(file)
        except OSError as error:
            self._unreadable(error)

    def _open(self, file: IO[bytes]) -> None:
        size = file.seek(0, 2)
        self._read_header(file)
        footer_at = self._find_footer(file, size)
        self.size = size
        """Of the file, in bytes."""
        file.seek(footer_at)
        place = self._place("footer", footer_at)
        body = unpack(file.read(size - TAIL.size - footer_at), place=place)
        self.footer: Footer = self._parse(body, Footer, place)
        self.frames: tuple[FrameEntry, ...] = tuple(self.footer.frames)
        """The index of frames of facts, in the order of the file: by group, then by lane."""
        self._check_index(footer_at, place)

    def _read_header(self, file: IO[bytes]) -> None:
        file.seek(0)
        start = file.read(len(ZSTD_MAGIC))
        if not start:
            self._refuse("the file is empty", cure=_OURS)
        if start != ZSTD_MAGIC[: len(start)]:
            self._refuse("not a Watchkeeper recording", cure=_OURS)
        file.seek(0)
        place = self._place("header", 0)
        line, self.header_length = unpack_first(file, place=place)
        """Compressed, in bytes."""
        try:
            version = msgspec.json.decode(line, type=dict[str, Any]).get("watchkeeper_recording")
        except msgspec.DecodeError:
            version = None
        if not isinstance(version, int):
            self._refuse("not a Watchkeeper recording, though it is compressed like one", cure=_OURS)
        if version not in VERSIONS:
            known = " and ".join(map(str, VERSIONS))
            self._refuse(
                f"written in version {version} of the format; this program reads versions {known}",
                cure="update Watchkeeper, or import the history again",
            )
        self.header: Header = self._parse(line, Header, place)

    def _find_footer(self, file: IO[bytes], size: int) -> int:
        file.seek(max(0, size - TAIL.size))
        tail = file.read(TAIL.size)
        if len(tail) == TAIL.size:
            magic, length, footer_at = TAIL.unpack(tail)
            if (magic, length) == (TAIL_MAGIC, TAIL_CONTENT_BYTES) and 0 < footer_at < size - TAIL.size:
                return int(footer_at)
        raise RecordingError(
            f"cut short or damaged: it ends at byte {size:,} without its index",
            place=self.path.name,
            cure=CURE_DAMAGED,
        )

    def _check_index(self, footer_at: int, place: str) -> None:
        footer = self.footer
        at = self.header_length
        for frame in (*self.frames, *footer.label_frames):
            # Frames lie end to end: there is no byte in the file that no checksum covers.
            at = at + frame.length if frame.offset == at and frame.length > 0 else -1
        whole = (
            at == footer_at
            and sum(footer.group_sizes) == sum(frame.count for frame in self.frames) == footer.facts
            and sum(frame.count for frame in footer.label_frames) == footer.labels
            and all(0 <= frame.lane < LANES for frame in self.frames)
            and footer.content_sha256 == content_digest(self.header, footer.frames)
        )
        if not whole:
            raise RecordingError("the index contradicts itself", place=place, cure=CURE_DAMAGED)

    def read_frame(self, entry: FrameEntry) -> LaneFrame:
        """Read one frame of facts. Raises `RecordingError` naming it and its place when it is damaged."""
        place = self._place(f"group {entry.group} lane {entry.lane}", entry.offset)
        body = self._read(entry, place)
        end = body.find(b"\n") + 1
        try:
            head = _HEADS.decode(memoryview(body)[:end])
        except msgspec.DecodeError as error:
            raise RecordingError(
                f"its first line cannot be read: {error}", place=place, cure=CURE_DAMAGED
            ) from None
        if (head.group, head.lane, len(head.seqs)) != (entry.group, entry.lane, entry.count):
            raise RecordingError(
                f"holds {len(head.seqs)} facts of group {head.group} lane {head.lane}, unlike the index says",
                place=place,
                cure=CURE_DAMAGED,
            )
        return LaneFrame(entry=entry, place=place, seqs=head.seqs, lines=body[end:])

    def groups(self, *, after_seq: int = 0) -> Iterator[tuple[int, list[AnyFact]]]:
        """Yield `(first_seq, facts)` for each group that has facts after `after_seq`, whole and in order.

        This is the fastest way through all facts. Raises `RecordingError` as `read_frame` does.
        """
        at = 0
        first_seq = 1
        for group, size in enumerate(self.footer.group_sizes):
            start = at
            while at < len(self.frames) and self.frames[at].group == group:
                at += 1
            if first_seq + size - 1 > after_seq:
                yield first_seq, self._read_group(first_seq, size, self.frames[start:at])
            first_seq += size

    def facts(self, *, after_seq: int = 0) -> Iterator[tuple[int, AnyFact]]:
        """Yield `(seq, fact)` with `seq > after_seq`, in order.

        Raises `RecordingError` as `read_frame` does.
        """
        for first_seq, facts in self.groups(after_seq=after_seq):
            skip = max(0, after_seq + 1 - first_seq)
            yield from enumerate(facts[skip:] if skip else facts, first_seq + skip)

    def labels(self) -> Iterator[AnyLabel]:
        """Yield what is known about proposals, which nothing but scoring may see.

        Raises `RecordingError` as `read_frame` does.
        """
        return (label for label in self._labels() if isinstance(label, AnyLabel))

    def episode_labels(self) -> Iterator[EpisodeLabel]:
        """Yield what is known about episodes, also those without any proposal; as secret as `labels`."""
        return (label for label in self._labels() if isinstance(label, EpisodeLabel))

    def steps(self) -> Iterator[RecordedStep]:
        """Yield the steps of rollouts, and what they follow from beside the facts, in the journal's order."""
        return (label for label in self._labels() if isinstance(label, RecordedStep))

    @property
    def has_steps(self) -> bool:
        """Whether it says which steps its rollouts took, so that they can be worked out again."""
        return self.header.watchkeeper_recording >= _WITH_STEPS

    def verify(self) -> None:
        """Read every frame and compare what it says with the index, labels too.

        Reading alone checks the bytes in the file; this checks the content behind `content_sha256` as well.
        Raises `RecordingError` naming the first frame that is wrong.
        """
        for _ in self.groups():
            pass
        for _ in self._labels():
            pass
        for entry in (*self.frames, *self.footer.label_frames):
            place = self._place(f"group {entry.group} lane {entry.lane}", entry.offset)
            if hashlib.sha256(self._read(entry, place)).hexdigest() != entry.sha256:
                raise RecordingError("the content is not what the index says", place=place, cure=CURE_DAMAGED)

    def _labels(self) -> Iterator[AnyLabel | EpisodeLabel | RecordedStep]:
        for entry in self.footer.label_frames:
            place = self._place(f"labels {entry.group}", entry.offset)
            body = self._read(entry, place)
            try:
                labels = _LABELS.decode_lines(body)
            except msgspec.DecodeError as error:
                raise RecordingError(
                    f"a label cannot be read: {error}", place=place, cure=CURE_DAMAGED
                ) from None
            yield from labels

    def _read_group(self, first_seq: int, size: int, frames: tuple[FrameEntry, ...]) -> list[AnyFact]:
        slots: list[AnyFact | None] = [None] * size
        try:
            for entry in frames:
                frame = self.read_frame(entry)
                for seq, fact in zip(frame.seqs, frame.facts(), strict=True):
                    slots[seq - first_seq] = fact
        except IndexError:
            pass
        if not all(slots):
            self._refuse(
                f"facts {first_seq:,} to {first_seq + size - 1:,} are not complete", cure=CURE_DAMAGED
            )
        return cast("list[AnyFact]", slots)

    def _read(self, entry: FrameEntry, place: str) -> bytes:
        try:
            # Opened anew for each frame, some microseconds: there is never a file to hand on or to forget.
            with self.path.open("rb", buffering=0) as file:
                file.seek(entry.offset)
                packed = file.read(entry.length)
        except OSError as error:
            self._unreadable(error)
        if hashlib.sha256(packed).hexdigest() != entry.packed_sha256:
            raise RecordingError(
                "damaged: not the bytes its index names (SHA-256 differs)", place=place, cure=CURE_DAMAGED
            )
        return unpack(packed, place=place, size=entry.size)

    def _parse(self, body: bytes, kind: type[T], place: str) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise RecordingError(f"cannot be read: {error}", place=place, cure=CURE_DAMAGED) from None

    def _place(self, what: str, offset: int) -> str:
        return f"{self.path.name}: {what} at byte {offset:,}"

    def _refuse(self, why: str, *, cure: str) -> NoReturn:
        raise RecordingError(why, place=self.path.name, cure=cure) from None

    def _unreadable(self, error: OSError) -> NoReturn:
        raise RecordingError(
            f"cannot be read: {(error.strerror or str(error)).lower()}",
            place=str(self.path),
            cure="check the path",
        ) from error
