"""Taking secrets out of a text, before anybody keeps or shows it.

What a secret looks like say the shipped rules, and values that we know to be secret are found as they stand
and as they travel. It is a net, not a wall: a secret of unknown shape that we were not told of passes.
Personal data stays: people who ask for a phone number get it. What may be journaled says the scrubber.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import structs

from engine.adapters.leak_rules import read_rules
from engine.adapters.leaks import Scanner, cut
from engine.ports import Stop


class Redactor:
    """Takes secrets out of text. One serves many threads."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Name values that are secret. Those under six letters are too short to look for."""
        self._scanner = Scanner(read_rules(), secrets)

    def __call__(self, text: str) -> str:
        """Return the text with `[redacted: …]` where a secret was."""
        data = text.encode(errors="surrogatepass")
        return cut(text, self._scanner.secrets(data)) if self._scanner.may_hold(data) else text


@lru_cache(maxsize=32)
def _redactor(secrets: tuple[str, ...]) -> Redactor:
    return Redactor(secrets)


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """Take out the given secrets, and whatever has the shape of one.

    >>> redact("PASSWORD=hunter2 and the key is key-123", secrets=["key-123"])
    'PASSWORD=[redacted: secret] and the key is [redacted: known secret]'
    """
    return _redactor(tuple(secrets))(text)


def without_secrets(stop: Stop) -> Stop:
    """Take secrets out of a stop's reason. Where looking fails the stop stands without one."""
    try:
        return structs.replace(stop, reason=redact(stop.reason)) if stop.reason else stop
    except Exception:  # noqa: BLE001 - whatever it was, it stops
        return structs.replace(stop, reason="")
