"""Tokens in one file: who they speak for, what they may do, and the hash of each secret; never the secret."""

import base64
import contextlib
import fnmatch
import hashlib
import hmac
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from engine.adapters.file_lock import changing_alone
from engine.adapters.files import atomic_path, storage_errors
from engine.adapters.machine_time import now_us
from engine.core.vocabulary.ids import CapabilityId, capability_name
from engine.errors import InputError, StorageError
from engine.ports import Holder

# 256 bits cannot be guessed, so a single fast hash is enough: slow ones protect what people choose.
_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 5
_TOKEN: Final = re.compile(r"wk_([a-z2-7]{8})_([a-z2-7]{52})")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Without a colon: a proposal's id is the agent's name, a colon and the agent's own key, and no agent may
make one that reads like another's."""
_NOBODY: Final = "0" * 64

Kind = Literal["agent", "person", "body"]
Role = Literal["viewer", "responder", "captain"]
Use = Literal["api", "login", "session"]
"""What a token is good for: the HTTP API; one login to the web console; a browser that is logged in."""


class TokenEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One token, as the file knows it. When it was last used is not kept: that would write on every call."""

    id: str
    hash: str
    """SHA-256 of the secret, in hexadecimal."""
    kind: Kind
    name: str
    role: Role | None = None
    """What a person may do; `None` for an agent."""
    capabilities: tuple[str, ...] = ()
    """For an agent: patterns of the capabilities it may propose under."""
    created_us: int
    expires_us: int | None = None
    """When it stops working; `None` means when it is revoked."""
    owner: str | None = None
    """For an agent or a body: the person it belongs to; `None` where nobody said."""
    use: Use = "api"
    pools: tuple[str, ...] = ()
    """For a body: the pools it belongs to."""


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Literal[1] = 1
    tokens: tuple[TokenEntry, ...] = ()


_DECODER: Final = msgspec.json.Decoder(_File)


class TokenFile:
    """Tokens in `tokens.json`. Safe from many threads and processes; what one changes, all see at once."""

    def __init__(self, path: Path, *, now: Callable[[], int] = now_us) -> None:
        """Name the file; it need not exist: then there are no tokens."""
        self._path, self._now = path, now
        self._reading = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._by_id: dict[str, TokenEntry] = {}

    def holder_of(self, token: str, use: Use = "api") -> Holder | None:
        """Return whom a token speaks for, or `None` when it is wrong, revoked, too old or for other use.

        Raises `StorageError` or `InputError` when the file cannot be read or trusted.
        """
        known = self._current()
        parts = _TOKEN.fullmatch(token)
        token_id, secret = parts.groups() if parts is not None else ("", token)
        entry = known.get(token_id)
        # The same work whether or not the id exists, so that the time it takes says nothing.
        fits = hmac.compare_digest(_hash(secret), entry.hash if entry is not None else _NOBODY)
        if entry is None or not fits or entry.use != use:
            return None
        if self._is_over(entry):
            return None
        return Holder(
            token_id=entry.id,
            kind=entry.kind,
            name=entry.name,
            role=entry.role,
            capabilities=entry.capabilities,
            owner=entry.owner,
            pools=entry.pools,
        )

    def create(
        self,
        *,
        kind: Kind,
        name: str,
        role: Role | None = None,
        capabilities: tuple[str, ...] = (),
        expires_us: int | None = None,
        owner: str | None = None,
        use: Use = "api",
        pools: tuple[str, ...] = (),
    ) -> tuple[TokenEntry, str]:
        """Make a token and return its entry and its text, which nobody can find out again.

        Logins and sessions that are past their time are forgotten on the way. An agent without capabilities
        may propose under any. Raises `InputError` when the parts do not fit together, and `StorageError` when
        the file cannot be written.
        """
        _check(kind, name, role, capabilities)
        _check_owner(kind, owner)
        _check_pools(kind, pools)
        token_id, secret = _random(_ID_BYTES), _random(_SECRET_BYTES)
        entry = TokenEntry(
            id=token_id,
            hash=_hash(secret),
            kind=kind,
            name=name,
            role=role,
            capabilities=(capabilities or ("*",)) if kind == "agent" else (),
            created_us=self._now(),
            expires_us=expires_us,
            owner=owner,
            use=use,
            pools=pools,
        )
        with self._changing() as before:
            kept = [each for each in before if each.use == "api" or not self._is_over(each)]
            self._write((*kept, entry))
        return entry, f"wk_{token_id}_{secret}"

    def entries(self) -> tuple[TokenEntry, ...]:
        """Return all tokens in the order in which they were made, those past their time too."""
        return tuple(self._current().values())

    def revoke(self, token_id: str) -> TokenEntry:
        """Take a token out; it is refused from now on. Raises `InputError` when there is none of that id."""
        with self._changing() as before:
            left = tuple(entry for entry in before if entry.id != token_id)
            gone = [entry for entry in before if entry.id == token_id]
            if not gone:
                raise InputError(
                    f"no token {token_id}", place=str(self._path), cure="see watchkeeper token list"
                )
            self._write(left)
        return gone[0]

    def _is_over(self, entry: TokenEntry) -> bool:
        return entry.expires_us is not None and entry.expires_us <= self._now()

    def _current(self) -> dict[str, TokenEntry]:
        """Return the tokens by id, read again when another file took the place of the last one."""
        with self._reading:
            try:
                # Whoever cannot read the list lets nobody in.
                with storage_errors(self._path):
                    found = self._path.stat()
            except InputError:
                self._seen, self._by_id = None, {}
                return self._by_id
            # Each change makes a new file, so its number would nearly do; numbers are used again, though.
            seen = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)
            if seen != self._seen:
                self._by_id = self._read(found)
                self._seen = seen
            return self._by_id

    def _read(self, found: os.stat_result) -> dict[str, TokenEntry]:
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StorageError(
                "others may write it, and could let themselves in",
                place=str(self._path),
                cure=f"look at who did, then: chmod 600 {self._path}",
            )
        with storage_errors(self._path):
            body = self._path.read_bytes()
        try:
            return {entry.id: entry for entry in _DECODER.decode(body).tokens}
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise InputError(
                f"is not a list of tokens: {wrong}",
                place=str(self._path),
                cure="restore it from a snapshot, or remove it and make new tokens",
            ) from wrong

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[TokenEntry, ...]]:
        """Keep others from changing the file meanwhile, and give what is in it."""
        with changing_alone(self._path):
            yield self.entries()

    def _write(self, tokens: tuple[TokenEntry, ...]) -> None:
        private_write(self._path, msgspec.json.format(msgspec.json.encode(_File(tokens=tokens))) + b"\n")


def private_write(path: Path, body: bytes) -> None:
    """Put a whole file in place that only its owner may read. Raises as `storage_errors` does."""
    with atomic_path(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(body)


def may_propose(holder: Holder, capability: CapabilityId) -> bool:
    """Whether an agent's patterns cover a capability, with its version or by its name alone.

    >>> coder = Holder(token_id="a", kind="agent", name="coder-1", capabilities=("edit@2", "heal*"))
    >>> [may_propose(coder, CapabilityId(one)) for one in ("edit@2", "edit@3", "heal-web@1", "pay@1")]
    [True, False, True, False]
    """
    names = (capability, capability_name(capability))
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in holder.capabilities for name in names)


def _check(kind: Kind, name: str, role: Role | None, capabilities: tuple[str, ...]) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a name",
            cure="use up to 64 letters, digits, dots, dashes and underscores, not beginning with a sign",
        )
    if kind != "person" and role is not None:
        raise InputError(f"{_A[kind]} has no role", cure="leave --role out, or make the token for a person")
    if kind == "person" and role is None:
        raise InputError("a person needs a role", cure="give --role viewer, responder or captain")
    if kind != "agent" and capabilities:
        who = {"person": "people do not propose, so they have", "body": "a body does not propose, so it has"}
        raise InputError(f"{who[kind]} no capabilities", cure="leave them out")
    if any(not pattern.strip() for pattern in capabilities):
        raise InputError("an empty pattern covers no capability", cure="give one such as 'heal@*'")


_A: Final = {"agent": "an agent", "body": "a body"}


def _check_pools(kind: Kind, pools: tuple[str, ...]) -> None:
    if pools and kind != "body":
        raise InputError("only bodies belong to pools", cure="leave --pool out, or give --body NAME")
    for pool in pools:
        if not _NAME.fullmatch(pool):
            raise InputError(f"{pool!r} is not a name", cure="use letters, digits, dots, dashes, underscores")


def _check_owner(kind: Kind, owner: str | None) -> None:
    if owner is None:
        return
    if kind == "person":
        raise InputError("people belong to nobody", cure="leave --owner out, or make the token for another")
    if not _NAME.fullmatch(owner):
        raise InputError(f"{owner!r} is not a person's name", cure="use the name the person is linked under")


def _random(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
