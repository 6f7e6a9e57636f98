"""The journal's chain: each record's hash covers its own bytes and the hash of the record before it."""

import hashlib
from typing import Final

from msgspec import Struct

from engine.core.vocabulary.ids import Digest

GENESIS: Final = bytes(32)
"""The hash that stands before the first record."""


class Record(Struct, frozen=True, array_like=True, gc=False):
    """One line of the journal: `(seq, key, body, prev, hash)`."""

    seq: int
    """Position, counting from 1 without gaps."""
    key: str
    """Idempotency key: no two records share one."""
    body: bytes
    """The fact in canonical JSON."""
    prev: bytes
    hash: bytes


class Head(Struct, frozen=True, array_like=True, gc=False):
    """Where a chain ends: the last sequence number, 0 when empty, and the last hash."""

    seq: int = 0
    hash: bytes = GENESIS

    def __str__(self) -> str:
        """Write it as an anchor: `12:3f…`."""
        return f"{self.seq}:{self.hash.hex()}"


def link(prev: bytes, seq: int, key: str, body: bytes) -> bytes:
    """Hash one record into the chain: `SHA-256(0x00 ‖ prev ‖ seq₈ ‖ len(key)₄ ‖ key ‖ body)`.

    The leading zero byte is the leaf prefix of RFC 6962 §2.1, which keeps leaves apart from tree nodes.

    >>> link(GENESIS, 1, "a", b"{}").hex()[:16]
    '89527cd82546b3ca'
    """
    return hashlib.sha256(hashed_bytes(prev, seq, key, body)).digest()


def hashed_bytes(prev: bytes, seq: int, key: str, body: bytes) -> bytes:
    """Return the bytes that `link` hashes, for whoever hashes them elsewhere.

    >>> len(hashed_bytes(GENESIS, 1, "a", b"{}"))
    48
    """
    name = key.encode()
    return b"".join((b"\0", prev, seq.to_bytes(8), len(name).to_bytes(4), name, body))


def digest_of(action: str, args: bytes) -> Digest:
    """Bind an action to its exact arguments (canonical JSON), as lower-case hexadecimal SHA-256."""
    return Digest(hashlib.sha256(b"\x01" + action.encode() + b"\0" + args).hexdigest())
