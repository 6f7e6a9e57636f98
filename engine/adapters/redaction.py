"""What a program or a server says, made fit to be kept: secrets taken out, and no longer than it may be."""

import re
from collections.abc import Sequence
from typing import Final

MASK: Final = "[secret]"

# Shapes that are secrets wherever they stand. Each has a mark of its own (a prefix, a frame), so that
# ordinary text is left alone; a value that only its owner can recognise is passed in by name.
_SHAPES: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_\w{20,}"
    r"|\bglpat-[\w-]{20,}"
    r"|\bxox[abeoprs]-[\w-]{10,}"
    r"|\bsk-[A-Za-z0-9_-]{20,}"
    r"|\bsk_live_[A-Za-z0-9]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
    re.DOTALL,
)
# Here the name beside the value gives it away; the name stays.
_NAMED: Final = re.compile(
    r"(?P<name>\b(?:authorization|proxy-authorization)\s*[:=]\s*(?:bearer|basic|token)\s+"
    r"|\b[\w-]*(?:password|passwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token)\b[\"']?\s*[:=]\s*"
    r"|://[^\s/:@]+:(?=[^\s/@]+@))"
    r"(?P<quote>[\"']?)(?P<value>[^\s\"'@,;&]{3,})",
    re.IGNORECASE,
)


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """Take out the given secrets, and whatever has the shape of one.

    >>> redact("PASSWORD=hunter2 and the key is k-123", secrets=["k-123"])
    'PASSWORD=[secret] and the key is [secret]'
    """
    # The longest first: one secret may be the beginning of another.
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _SHAPES.sub(MASK, text)
    return _NAMED.sub(lambda found: f"{found['name']}{found['quote']}{MASK}", text)


def capped(data: bytes, most: int) -> str:
    """Give bytes as text, at most `most` of them: the beginning and the end, and how much is left out.

    What is not UTF-8 becomes `�`. The note on what is missing comes on top of `most`.

    >>> capped(b"abcdefgh", 4)
    'ab\\n[4 bytes left out]\\ngh'
    """
    if len(data) <= most:
        return data.decode(errors="replace")
    head = most // 2
    tail = most - head
    left_out = f"\n[{len(data) - most} bytes left out]\n"
    end = data[-tail:] if tail else b""
    return data[:head].decode(errors="replace") + left_out + end.decode(errors="replace")
