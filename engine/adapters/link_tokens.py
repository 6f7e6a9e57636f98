"""Links that answer: who bears one may answer one escalation, as one person, for a while. Nothing is stored.

A link is a text signed with a secret of this installation. Nobody makes one without the secret, and to take
all of them back its file is deleted: the next link makes a new one.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from engine.adapters.file_lock import changing_alone
from engine.adapters.files import storage_errors
from engine.adapters.machine_time import now_us
from engine.adapters.secret_file import read_secret
from engine.adapters.token_file import private_write
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.vocabulary.units import DAY_US

PREFIX: Final = "/e/"
"""What the path of every link begins with; what follows is never written into a log."""
LASTING_US: Final = 3 * DAY_US
"""How long a link answers. Each notification has a new one."""
_SECRET_BYTES: Final = 32
# Half of what SHA-256 gives is what RFC 2104 asks for at least, and 2¹²⁸ is more than anybody guesses.
_MAC_BYTES: Final = 16
_LONGEST: Final = 400
_PURPOSE: Final = b"watchkeeper answer link 1\n"
_GUIDE: Final = "docs/howto/channels.md"


class Bearer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a link stands for."""

    escalation_id: EscalationId
    person: PersonId
    until_us: int


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Bearer)


class LinkTokens:
    """Makes links and reads them. Safe from many processes: all of them sign with the same file."""

    def __init__(self, secret: Path, public_url: str | None, *, now: Callable[[], int] = now_us) -> None:
        """Name the file, which is made with the first link, and the address people reach us by, if any."""
        self._secret, self._public_url, self._now = secret, public_url, now

    def link_for(self, escalation: EscalationId, person: PersonId) -> str:
        """Return the address of the page on which somebody answers.

        Empty where nobody reaches us from outside, and for a message to nobody in particular: whoever reads
        that would answer as anybody. Raises `StorageError` and `InputError` when the secret cannot be had.
        """
        if self._public_url is None or not person:
            return ""
        said = _ENCODER.encode(Bearer(escalation, person, self._now() + LASTING_US))
        token = base64.urlsafe_b64encode(_mac(self._made(), said) + said).decode().rstrip("=")
        return f"{self._public_url}{PREFIX}{token}"

    def bearer_of(self, token: str) -> Bearer | None:
        """Return what a token stands for, also when its time is over; `None` for one that we did not make.

        Raises `StorageError` and `InputError` when there is a secret and it cannot be had.
        """
        body = _decoded(token)
        with storage_errors(self._secret):
            there = self._secret.exists()
        if body is None or not there:
            return None
        mac, said = body[:_MAC_BYTES], body[_MAC_BYTES:]
        if not hmac.compare_digest(mac, _mac(self._read(), said)):
            return None
        try:
            return _DECODER.decode(said)
        except msgspec.MsgspecError:
            # Ours, of a version that wrote other things into it.
            return None

    def is_over(self, bearer: Bearer) -> bool:
        """Whether the time of a link is over."""
        return self._now() >= bearer.until_us

    def _made(self) -> bytes:
        with changing_alone(self._secret):
            if not self._secret.exists():
                private_write(self._secret, secrets.token_hex(_SECRET_BYTES).encode() + b"\n")
            return self._read()

    def _read(self) -> bytes:
        return read_secret(self._secret, guide=_GUIDE).encode()


def _mac(secret: bytes, said: bytes) -> bytes:
    return hmac.new(secret, _PURPOSE + said, hashlib.sha256).digest()[:_MAC_BYTES]


def _decoded(token: str) -> bytes | None:
    if not token.isascii() or len(token) > _LONGEST:
        return None
    try:
        body = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    # The decoder passes over what is no letter of its alphabet: one link has one form.
    return body if base64.urlsafe_b64encode(body).decode().rstrip("=") == token else None
