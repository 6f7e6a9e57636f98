"""A snapshot's manifest: every file of it, and which chunks make it up.

Two zstd frames of JSON lines, so that `zstdcat | jq` reads it when nothing else works: one line of summary,
then a line for each file, folder and link. The snapshot's id ends in digits of the summary's SHA-256, and the
summary holds that of the rest: a manifest that was altered is found by its own name.
"""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec
import zstandard
from msgspec import Struct

from engine.adapters.files import atomic_write, storage_errors
from engine.core.vocabulary.chain import Head
from engine.errors import InputError, StorageError

FORMAT: Final = 1
JOURNAL: Final = "journal"
"""The part that is one file, and is copied and checked as a journal."""
SUFFIX: Final = ".jsonl.zst"
_SUMMARY_BYTES: Final = 64 << 10
_LARGEST_SUMMARY: Final = 1 << 20
# Readable as it stands, and exact: names need be neither text nor on one line.
_AS_IT_IS: Final = "/ !#$&'()*+,;=:@[]^`{|}~<>?"

Kind = Literal["file", "folder", "link", "same", "left_out"]


class Node(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One name in one part of a snapshot."""

    part: str
    path: str
    """Relative to the part's root, which is empty; bytes that are not plain ASCII as `%xx`."""
    kind: Kind
    """`same`: a hard link to the file at `target`. `left_out`: was there, is not in the snapshot."""
    mode: int = 0
    mtime_ns: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    chunks: tuple[str, ...] = ()
    sha256: str = ""
    """Of the whole file."""
    target: str = ""
    """Where a link points, written as paths are."""
    sparse: bool = False
    """Whether it had holes: it gets them back."""
    allocated: int = 0
    """For a file with holes: what it takes on disk, in bytes."""
    torn: bool = False
    """It changed each time it was read: its bytes may be of different moments."""
    inode: int = 0
    ctime_ns: int = 0
    settled: bool = False
    """Whether it was touched long enough before it was read that a later change must show in its times."""
    why: str = ""

    @property
    def place(self) -> str:
        """The name as a person writes it, with its part."""
        return f"{self.part}/{readable(self.path)}".rstrip("/")


class Summary(Struct, frozen=True, kw_only=True):
    """The first line of a manifest."""

    format: int = FORMAT
    created_us: int
    roots: dict[str, str]
    """Where each part was copied from, written as paths are."""
    files: int
    size_bytes: int
    stored_bytes: int
    left_out: int
    torn: int
    journal_seq: int = 0
    journal_hash: str = ""
    journal_continues: bool = True
    seconds: float = 0.0
    body_sha256: str = ""


class SnapshotInfo(Struct, frozen=True, kw_only=True):
    """What a snapshot holds, in figures."""

    snapshot_id: str
    """Ids sort by time."""
    created_us: int
    parts: tuple[str, ...]
    roots: dict[str, Path]
    """Where each part was copied from."""
    files: int
    size_bytes: int
    """Of all files as they are restored."""
    stored_bytes: int
    """What it took on disk beyond the snapshots before it."""
    left_out: int
    """Names that are not in it: sockets, devices, what might not be read."""
    torn: int
    """Files that changed while they were read, each time."""
    journal_seq: int
    """The last record in its journal; 0 without one."""
    journal_hash: str
    """That record's hash, in hexadecimal; empty without a journal."""
    journal_continues: bool
    """Whether its journal goes on from the one in the snapshot before. If not, the journal was put back to an
    older one, replaced or rewritten in between."""
    seconds: float
    """How long it took."""

    @property
    def head(self) -> Head | None:
        """The head of its journal, or `None` without one."""
        return Head(self.journal_seq, bytes.fromhex(self.journal_hash)) if self.journal_hash else None


class _Chunks(Struct):
    chunks: tuple[str, ...] = ()


_SUMMARY: Final = msgspec.json.Decoder(Summary)
_NODES: Final = msgspec.json.Decoder(Node)
_ONLY_CHUNKS: Final = msgspec.json.Decoder(_Chunks)


def quoted(name: str | bytes) -> str:
    """Write a name of the file system so that JSON can hold it.

    >>> quoted(b"a b\\xff\\n"), unquoted("a b%FF%0A")
    ('a b%FF%0A', b'a b\\xff\\n')
    """
    return quote_from_bytes(os.fsencode(name), safe=_AS_IT_IS)


def unquoted(path: str) -> bytes:
    """Read back what `quoted` wrote."""
    return unquote_to_bytes(path)


def readable(path: str) -> str:
    """Write a path for people, on one line; what is no text, or cannot be seen, as an escape.

    >>> readable("caf%C3%A9 %FF%0A")
    'café \\\\xff\\\\n'
    """
    text = unquoted(path).decode(errors="backslashreplace")
    return "".join(
        [letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text]
    )


def write_manifest(folder: Path, summary: Summary, nodes: Sequence[Node]) -> SnapshotInfo:
    """Write a manifest, on disk when this returns, and say what it holds. Raises `StorageError`."""
    body = b"".join([msgspec.json.encode(node) + b"\n" for node in nodes])
    summary = msgspec.structs.replace(summary, body_sha256=hashlib.sha256(body).hexdigest())
    line = msgspec.json.encode(summary) + b"\n"
    snapshot_id = _identify(summary, line)
    compressor = zstandard.ZstdCompressor(level=3)
    with atomic_write(folder / f"{snapshot_id}{SUFFIX}") as file:
        file.write(compressor.compress(line))
        file.write(compressor.compress(body))
    return _info(snapshot_id, summary)


def read_info(path: Path) -> SnapshotInfo:
    """Read only what a manifest's summary says. Raises `StorageError` when it is damaged."""
    with storage_errors(path), path.open("rb") as file:
        return _info(_name(path), _summary(path, file.read(_SUMMARY_BYTES))[0])


def read_nodes(path: Path) -> list[Node]:
    """Read a whole manifest. Raises `StorageError` when it is damaged, by so much as one bit."""
    try:
        # Line by line: one long call into the decoder would keep the process's other threads waiting.
        return [_NODES.decode(line) for line in io.BytesIO(_body(path))]
    except msgspec.DecodeError as error:
        raise _damaged(path) from error


def read_chunks(path: Path) -> Iterator[str]:
    """Yield the chunks that a manifest names, some of them more than once; far faster than `read_nodes`."""
    for line in io.BytesIO(_body(path)):
        yield from _ONLY_CHUNKS.decode(line).chunks


def _body(path: Path) -> bytes:
    with storage_errors(path):
        packed = path.read_bytes()
    summary, rest = _summary(path, packed)
    try:
        body = zstandard.ZstdDecompressor().decompress(rest)
    except zstandard.ZstdError as error:
        raise _damaged(path) from error
    if hashlib.sha256(body).hexdigest() != summary.body_sha256:
        raise _damaged(path)
    return body


def _summary(path: Path, packed: bytes) -> tuple[Summary, bytes]:
    unpacking = zstandard.ZstdDecompressor().decompressobj()
    try:
        if not 0 <= zstandard.frame_content_size(packed) <= _LARGEST_SUMMARY:
            raise _damaged(path)
        line = unpacking.decompress(packed)
        summary = _SUMMARY.decode(line)
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise _damaged(path) from error
    if _identify(summary, line) != _name(path):
        raise _damaged(path)
    if summary.format != FORMAT:
        message = f"is of format {summary.format}, and this Watchkeeper reads {FORMAT}"
        raise InputError(message, place=str(path), cure="upgrade Watchkeeper")
    return summary, unpacking.unused_data


def _identify(summary: Summary, line: bytes) -> str:
    """Make the id: when, and what. Time alone would give two snapshots of one second the same name."""
    moment = datetime.fromtimestamp(summary.created_us // 1_000_000, UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{hashlib.sha256(line).hexdigest()[:8]}"


def _name(path: Path) -> str:
    return path.name.removesuffix(SUFFIX)


def _info(snapshot_id: str, summary: Summary) -> SnapshotInfo:
    return SnapshotInfo(
        snapshot_id=snapshot_id,
        created_us=summary.created_us,
        parts=tuple(summary.roots),
        roots={part: Path(os.fsdecode(unquoted(root))) for part, root in summary.roots.items()},
        files=summary.files,
        size_bytes=summary.size_bytes,
        stored_bytes=summary.stored_bytes,
        left_out=summary.left_out,
        torn=summary.torn,
        journal_seq=summary.journal_seq,
        journal_hash=summary.journal_hash,
        journal_continues=summary.journal_continues,
        seconds=summary.seconds,
    )


def _damaged(path: Path) -> StorageError:
    return StorageError(
        "this snapshot's manifest is damaged", place=str(path), cure="restore another snapshot"
    )
