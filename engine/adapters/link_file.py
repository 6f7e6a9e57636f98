"""Which accounts belong to whom, in one file beside the tokens. Codes are kept as hashes, and work once."""

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from engine.adapters.file_lock import changing_alone
from engine.adapters.files import storage_errors
from engine.adapters.machine_time import now_us
from engine.adapters.token_file import private_write
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.people_facts import Role
from engine.core.vocabulary.units import MINUTE_US
from engine.errors import InputError
from engine.ports import Linked

CODE_US: Final = 10 * MINUTE_US
"""How long a code works."""
# Forty bits guessed at five a ten minutes takes longer than anybody's patience, or the universe's.
_CODE_BYTES: Final = 5
_MOST_WRONG: Final = 5
_LOCKED_US: Final = 10 * MINUTE_US
_MOST_CODES: Final = 100
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class _Code(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hash: str
    person: PersonId
    role: Role
    until_us: int


class _Wrong(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wrong codes of one account."""

    account: str
    times: int
    last_us: int


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Literal[1] = 1
    links: tuple[Linked, ...] = ()
    codes: tuple[_Code, ...] = ()
    wrong: tuple[_Wrong, ...] = ()


_DECODER: Final = msgspec.json.Decoder(_File)


class LinkFile:
    """The port `Links`, in `links.json`. Safe from many threads and processes; all see a change at once."""

    def __init__(self, path: Path, *, now: Callable[[], int] = now_us) -> None:
        """Name the file; it need not exist: then nobody is linked."""
        self._path, self._now = path, now
        self._reading = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._known = _File()

    def who(self, front: str, account_id: str) -> Linked | None:
        """Return whom an account belongs to, or `None`. Raises `StorageError` or `InputError`."""
        found = [each for each in self._read().links if (each.front, each.account_id) == (front, account_id)]
        return found[0] if found else None

    def all(self) -> tuple[Linked, ...]:
        """Return every link, in the order in which they were made."""
        return self._read().links

    def code(self, person: PersonId, role: Role) -> str:
        """Make a code that links one account to a person, once, within ten minutes."""
        if not _NAME.fullmatch(person):
            raise InputError(
                f"{person!r} is not a name",
                cure="use up to 64 letters, digits, dots, dashes and underscores, not beginning with a sign",
            )
        code = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode().lower()
        now = self._now()
        with self._changing() as file:
            codes = tuple(each for each in file.codes if each.until_us > now)[-_MOST_CODES + 1 :]
            made = _Code(hash=_hash(code), person=person, role=role, until_us=now + CODE_US)
            self._write(structs.replace(file, codes=(*codes, made)))
        return f"{code[:4]}-{code[4:]}"

    def redeem(self, code: str, *, front: str, account_id: str, name: str = "") -> Linked:
        """Link an account with a code. Raises `InputError` when it is wrong, used or too old, and while the
        account is kept out for too many wrong ones.
        """
        account, now = _account(front, account_id), self._now()
        given = _hash(re.sub(r"[\s-]", "", code).lower())
        with self._changing() as file:
            wrong = {each.account: each for each in file.wrong if each.last_us + _LOCKED_US > now}
            before = wrong.pop(account, None)
            if before is not None and before.times >= _MOST_WRONG:
                raise InputError("too many wrong codes from this account", cure="wait ten minutes")
            fits = [
                each for each in file.codes if hmac.compare_digest(each.hash, given) and each.until_us > now
            ]
            if not fits:
                times = (before.times if before is not None else 0) + 1
                mark = _Wrong(account=account, times=times, last_us=now)
                self._write(structs.replace(file, wrong=(*wrong.values(), mark)))
                raise InputError(
                    "that code is wrong, used, or more than ten minutes old", cure="ask for another one"
                )
            made = Linked(
                person=fits[0].person,
                role=fits[0].role,
                front=front,
                account_id=account_id,
                name=name,
                since_us=now,
            )
            links = tuple(each for each in file.links if (each.front, each.account_id) != (front, account_id))
            codes = tuple(each for each in file.codes if each.hash != given)
            self._write(structs.replace(file, links=(*links, made), codes=codes, wrong=tuple(wrong.values())))
        return made

    def unlink(self, front: str, account_id: str) -> Linked | None:
        """Take a link away and return it; `None` when there was none."""
        with self._changing() as file:
            gone = [each for each in file.links if (each.front, each.account_id) == (front, account_id)]
            if gone:
                left = tuple(each for each in file.links if each not in gone)
                self._write(structs.replace(file, links=left))
        return gone[0] if gone else None

    def _read(self) -> _File:
        with self._reading:
            try:
                with storage_errors(self._path):
                    found = self._path.stat()
            except InputError:
                self._seen, self._known = None, _File()
                return self._known
            seen = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if seen != self._seen:
                with storage_errors(self._path):
                    body = self._path.read_bytes()
                try:
                    self._known = _DECODER.decode(body)
                except (msgspec.DecodeError, RecursionError) as wrong:
                    raise InputError(
                        f"is not a list of links: {wrong}",
                        place=str(self._path),
                        cure="restore it from a snapshot, or remove it and link people anew",
                    ) from wrong
                self._seen = seen
            return self._known

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_File]:
        """Keep others from changing the file meanwhile, and give what is in it."""
        with changing_alone(self._path):
            yield self._read()

    def _write(self, file: _File) -> None:
        private_write(self._path, msgspec.json.format(msgspec.json.encode(file)) + b"\n")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _account(front: str, account_id: str) -> str:
    return _hash(f"{front}:{account_id}")[:16]
