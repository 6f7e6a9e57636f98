"""What every journal shares: what may enter the chain, and whether what stands there still fits together."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from engine.core.vocabulary.chain import Head, Record, link
from engine.errors import ChainBroken, InputError, JournalError
from engine.ports import Entry, Snapshot

Row = tuple[int, str, bytes, bytes, bytes]
"""A record as it is stored: `(seq, key, body, prev, hash)`."""

# A key stands in the record and again in the index of keys. Five hundred bytes hold any id of ours with room
# to spare, and keep several keys on one page of the index.
KEY_LIMIT_BYTES: Final = 512

SNAPSHOTS_KEPT: Final = 3
"""Enough that one damaged while writing and one damaged on disk still leave one to start from."""

# How deep a fact may be nested. Python 3.11 gives up near a thousand levels, 3.13 at several thousand, SQLite
# at a thousand: what enters on one must be readable on all of them.
DEPTH_LIMIT: Final = 200
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')

CURE: Final = "stop trusting this journal, keep the file as evidence and compare it with a copy"

_JSON: Final = msgspec.json.Decoder(msgspec.Raw)


class Ready(Struct, frozen=True, gc=False):
    """An entry that was found fit to enter."""

    key: str
    body: bytes
    text: str
    """The body as text, for stores that keep it so."""


def ready(entries: Sequence[Entry]) -> list[Ready]:
    """Check entries before anything is stored.

    A key is 1 to 512 bytes of text; a body is one JSON object on one line, so that exports with one record a
    line keep its bytes, and nested at most 200 deep. Raises `InputError` for the first entry that is neither.
    """
    return [_ready(entry) for entry in entries]


def _ready(entry: Entry) -> Ready:
    key, body = entry.key, entry.body
    try:
        size = len(key.encode())
        text = body.decode()
        _JSON.decode(body)
    except (UnicodeError, msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"not a fact in JSON: {error}", place=f"entry {key!r}") from None
    if not 0 < size <= KEY_LIMIT_BYTES or "\0" in key:
        message = f"a key must have 1 to {KEY_LIMIT_BYTES} bytes and no NUL, not {size}"
        raise InputError(message, place=f"entry {key[:40]!r}")
    if body.count(b"{") + body.count(b"[") > DEPTH_LIMIT and _depth(body) > DEPTH_LIMIT:
        raise InputError(f"a fact may be nested {DEPTH_LIMIT} deep, not deeper", place=f"entry {key!r}")
    if not (text.startswith("{") and text.endswith("}")) or "\n" in text:
        raise InputError("a body must be one JSON object on one line", place=f"entry {key!r}")
    return Ready(key, body, text)


def _depth(body: bytes) -> int:
    """Measure how deep JSON is nested.

    >>> _depth(b'{"a":[1,{"b":"}}}]"}]}')
    3
    """
    deepest = depth = 0
    for letter in _STRINGS.sub(b"", body):
        if letter in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in b"}]":
            depth -= 1
    return deepest


def verify_rows(
    rows: Iterable[Row], *, after: Head | None = None, anchor: Head | None = None, place: str | None = None
) -> Head:
    """Recompute the hash of every row that follows `after` and return the head.

    `after=None` means the rows start a chain; `anchor=None` means nothing is known from elsewhere. Raises
    `ChainBroken` naming the first record that does not fit: altered, missing, out of place or cut off.
    """
    start = after or Head()
    seq, last = start.seq, start.hash
    anchored = anchor.seq if anchor is not None else -1
    if anchor is not None and anchored == seq and anchor.hash != last:
        raise broken(f"record {seq} is not the one in the anchor", place)
    try:
        for found, key, body, prev, own in rows:
            seq += 1
            if found != seq:
                raise broken(f"record {seq} is missing or out of place: record {found} stands there", place)
            if prev != last:
                raise broken(f"record {seq} does not follow record {seq - 1}: its link was altered", place)
            last = link(prev, seq, key, body)
            if last != own:
                raise broken(f"record {seq} was altered: its hash does not fit its bytes", place)
            if seq == anchored and anchor is not None and last != anchor.hash:
                raise broken(f"record {seq} is not the one in the anchor: history was rewritten", place)
    except UnicodeDecodeError as error:
        # A key that is no longer text fails while it is fetched, one step before it is counted.
        raise broken(f"the key of record {seq + 1} was altered beyond reading", place) from error
    except (TypeError, AttributeError, UnicodeEncodeError) as error:
        # Only a damaged file gives a field of another type.
        raise broken(f"a field of record {seq} was altered beyond reading", place) from error
    if anchored > seq:
        raise broken(f"cut off after record {seq}: the anchor was written at record {anchored}", place)
    return Head(seq, last)


def linked(records: Iterable[Record], *, after: Head, place: str | None = None) -> Iterator[Record]:
    """Pass records on, each checked to follow the one before: for folding a tail that nobody verified yet.

    Raises `ChainBroken` as `verify_rows` does, before the record that does not fit is passed on.
    """
    for record in records:
        row = (record.seq, record.key, record.body, record.prev, record.hash)
        after = verify_rows((row,), after=after, place=place)
        yield record


def broken(message: str, place: str | None) -> ChainBroken:
    """Say what does not fit, with the one cure there is."""
    return ChainBroken(message, place=place, cure=CURE)


def closed(place: str | None = None) -> JournalError:
    """Say that a journal is used after it was closed."""
    return JournalError("the journal is closed", place=place, cure="open it again")


def reused(key: str, seq: int, place: str | None = None) -> JournalError:
    """Say that a known key came with another body."""
    message = f"key {key!r} already stands for another fact, record {seq}"
    return JournalError(message, place=place, cure="give each fact a key of its own")


def misfit(snapshot: Snapshot, place: str | None = None) -> JournalError:
    """Say that a snapshot belongs to another history."""
    message = f"the snapshot of record {snapshot.seq} does not fit this journal's chain"
    return JournalError(message, place=place, cure="take it again from this journal")
