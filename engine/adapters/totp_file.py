"""The seeds of one-time codes (TOTP, RFC 6238), in one file beside the links. Nothing of it is journaled.

A seed must lie here in clear, for codes are worked out from it: whoever can read the file can make codes. So
only its owner may, and a snapshot does not take it along.
"""

import contextlib
import hmac
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
import pyotp
from msgspec import Struct, structs

from engine.adapters.file_lock import changing_alone
from engine.adapters.files import storage_errors
from engine.adapters.machine_time import now_us
from engine.adapters.token_file import private_write
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.errors import InputError, StorageError
from engine.ports import Enrolment

ISSUER: Final = "Watchkeeper"
_STEP_US: Final = 30 * SECOND_US
# Clocks of phones differ by seconds, and typing takes some: the code before and the one after count as well.
_AROUND: Final = (0, -1, 1)
# Three codes of a million count at any time. At five guesses in ten minutes, half a chance takes 160 days of
# guessing without pause, and each is in the journal as a command that was refused.
MOST_WRONG: Final = 5
LOCKED_US: Final = 10 * MINUTE_US


class _Seed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person: PersonId
    secret: str
    since_us: int
    confirmed: bool = False
    """Whether a code of it was ever given: only then does it count."""
    used: int = 0
    """The step of the last code that counted: no code of it or an earlier one counts again."""
    wrong: int = 0
    wrong_us: int = 0
    """When the last wrong code came."""


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Literal[1] = 1
    seeds: tuple[_Seed, ...] = ()


_DECODER: Final = msgspec.json.Decoder(_File)


class TotpFile:
    """The port `StepUp`, in `totp.json`. Safe from many threads and processes; all see a change at once."""

    def __init__(self, path: Path, *, now: Callable[[], int] = now_us) -> None:
        """Name the file; it need not exist: then nobody is enrolled."""
        self._path, self._now = path, now
        self._one = threading.Lock()

    def is_enrolled(self, person: PersonId) -> bool:
        """Whether codes of this person count. Raises `StorageError` or `InputError`."""
        seed = _of(self._read(), person)
        return seed is not None and seed.confirmed

    def people(self) -> tuple[PersonId, ...]:
        """Return whose codes count, in the order in which they enrolled."""
        return tuple(each.person for each in self._read().seeds if each.confirmed)

    def enrol(self, person: PersonId) -> Enrolment:
        """Make a seed, in place of one that was never confirmed. Raises `InputError` when one counts."""
        with self._changing() as file:
            before = _of(file, person)
            if before is not None and before.confirmed:
                raise InputError(
                    f"{person} has one-time codes already",
                    cure=f"phone lost? on the machine, a captain says: watchkeeper totp reset {person}",
                )
            seed = _Seed(person=person, secret=pyotp.random_base32(), since_us=self._now())
            if before is not None:
                # Whoever guesses does not begin anew by asking for another seed.
                seed = structs.replace(seed, wrong=before.wrong, wrong_us=before.wrong_us)
            self._keep(file, seed)
        uri = pyotp.TOTP(seed.secret).provisioning_uri(name=person, issuer_name=ISSUER)
        return Enrolment(person=person, secret=seed.secret, uri=uri)

    def confirm(self, person: PersonId, code: str) -> None:
        """Let a seed count from now on, by its first code. Raises `InputError`."""
        self._check(person, code, confirmed=False)

    def check(self, person: PersonId, code: str) -> None:
        """Use up a code. Raises `InputError` when it is wrong or was used, and after too many wrong ones."""
        self._check(person, code, confirmed=True)

    def forget(self, person: PersonId) -> None:
        """Take a person's seed away. Raises `InputError` when there is none."""
        with self._changing() as file:
            if _of(file, person) is None:
                raise InputError(f"{person} has no one-time codes", cure="see watchkeeper totp list")
            self._write(structs.replace(file, seeds=tuple(s for s in file.seeds if s.person != person)))

    def _check(self, person: PersonId, code: str, *, confirmed: bool) -> None:
        now = self._now()
        with self._changing() as file:
            seed = _of(file, person)
            if seed is None or seed.confirmed is not confirmed:
                raise InputError(f"{person} has no one-time codes to give", cure="say /enrol first")
            wrong = seed.wrong if now < seed.wrong_us + LOCKED_US else 0
            if wrong >= MOST_WRONG:
                raise InputError("too many wrong codes", cure="wait ten minutes, then give a fresh one")
            step = _step_of(seed.secret, _digits(code), now // _STEP_US)
            if step is None:
                self._keep(file, structs.replace(seed, wrong=wrong + 1, wrong_us=now))
                left = MOST_WRONG - wrong - 1
                cure = f"{left} more may be wrong" if left else "wait ten minutes"
                raise InputError("that code is wrong, or its time is over", cure=cure)
            if step <= seed.used:
                raise InputError("that code was used already", cure="wait for the next one: half a minute")
            self._keep(file, structs.replace(seed, confirmed=True, used=step, wrong=0, wrong_us=0))

    def _keep(self, file: _File, seed: _Seed) -> None:
        others = tuple(each for each in file.seeds if each.person != seed.person)
        self._write(structs.replace(file, seeds=(*others, seed)))

    def _read(self) -> _File:
        try:
            with storage_errors(self._path):
                found = self._path.stat()
                body = self._path.read_bytes()
        except InputError:
            return _File()
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StorageError(
                "others may read it, and could make codes",
                place=str(self._path),
                cure=f"chmod 600 {self._path}; then have everybody enrol anew",
            )
        try:
            return _DECODER.decode(body)
        except (msgspec.DecodeError, RecursionError):
            # The decoder's own words may hold a part of a seed.
            raise InputError(
                "is not a list of seeds",
                place=str(self._path),
                cure="remove it, and have everybody enrol anew",
            ) from None

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_File]:
        """Keep others from changing the file meanwhile, and give what is in it."""
        with changing_alone(self._path), self._one:
            yield self._read()

    def _write(self, file: _File) -> None:
        private_write(self._path, msgspec.json.format(msgspec.json.encode(file)) + b"\n")


def _of(file: _File, person: PersonId) -> _Seed | None:
    return next((each for each in file.seeds if each.person == person), None)


def _digits(code: str) -> str:
    """Drop what people put between digits.

    >>> _digits(" 123 456")
    '123456'
    """
    return "".join(sign for sign in code if sign not in " -\t")


def _step_of(secret: str, code: str, now: int) -> int | None:
    """Return the step a code belongs to; `None` for a code of no step around now."""
    totp = pyotp.TOTP(secret)
    fitting = [
        now + around
        for around in _AROUND
        if hmac.compare_digest(
            totp.generate_otp(max(0, now + around)).encode(), code.encode(errors="replace")
        )
    ]
    # The oldest it may be, so that none it could also be is used up.
    return min(fitting) if fitting else None
