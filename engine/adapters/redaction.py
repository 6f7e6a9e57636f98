"""Taking secrets out of what programs print, before anybody keeps or shows it.

Three things are taken out. Values that we know to be secret, as they stand and as they travel (percent-
encoded, base64). Tokens of well-known shape, a small set: those in which large services hand out credentials,
with prefixes that nothing else has. And what stands where a credential stands: behind `Authorization:`,
before the `@` of an address, in a private key's block, behind an upper-case name that ends in PASSWORD,
SECRET, TOKEN or API_KEY. It is a net, not a wall: a secret of unknown shape that we were not told of passes.
"""

import base64
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import re2

# Shorter values would be found everywhere: a password `on` would redact half the English language.
_SHORTEST: Final = 6

_BLOCK: Final = "[A-Z0-9 ]*PRIVATE KEY-----"
_SHAPES: Final = (
    # A key's block may have lost its end where output was cut; then everything after its beginning goes.
    (
        "private key",
        rf"-----BEGIN {_BLOCK}(?s:.*?)(?:-----END {_BLOCK}|\z)",
    ),
    ("watchkeeper token", r"\bwk_[a-z2-7]{8}_[a-z2-7]{52}"),
    ("token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    ("aws key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    ("github token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    ("gitlab token", r"\bgl(?:pat|ptt|rt|dt|ft|soat|cbt)-[A-Za-z0-9_-]{20,}"),
    ("slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("slack webhook", r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]+"),
    ("discord webhook", r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d+/[A-Za-z0-9_-]+"),
    ("stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("api key", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("google key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("google token", r"\bya29\.[A-Za-z0-9_-]{20,}"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}"),
    ("pypi token", r"\bpypi-[A-Za-z0-9_-]{32,}"),
    ("hugging face token", r"\bhf_[A-Za-z0-9]{30,}"),
    ("sendgrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("twilio key", r"\bSK[0-9a-f]{32}\b"),
)
# The part in the first pair of brackets stays, so that a reader sees where something was.
_PLACES: Final = (
    (
        "credentials",
        r"(?i)(\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|digest)\s+)[^\s\"',]+",
    ),
    ("credentials", r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}"),
    ("credentials", r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@\"']*:)[^\s/@\"']+@"),
    ("secret", r"(\b[A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|ACCESS_KEY)\s*=\s*[\"']?)[^\s\"']{4,}"),
)


class Redactor:
    """Takes secrets out of text. One serves many threads."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Name values that are secret. Those under six letters are too short to look for."""
        options = re2.Options()
        options.log_errors = False
        self._shapes = [(name, re2.compile(shape, options)) for name, shape in _SHAPES]
        self._places = [(name, re2.compile(place, options)) for name, place in _PLACES]
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        # The longest first: a shorter one may be its beginning.
        known = "|".join(re2.escape(form) for form in sorted(forms, key=len, reverse=True))
        self._known = re2.compile(known, options) if known else None

    def __call__(self, text: str) -> str:
        """Return the text with `[redacted: …]` where a secret was."""
        if self._known is not None:
            text = self._known.sub("[redacted: known secret]", text)
        for name, shape in self._shapes:
            text = shape.sub(f"[redacted: {name}]", text)
        for name, place in self._places:
            tail = "@" if place.pattern.endswith("@") else ""
            text = place.sub(rf"\1[redacted: {name}]{tail}", text)
        return text


def _forms(secret: str) -> set[str]:
    """Return a value as it may be met: as it is, percent-encoded, in base64."""
    data = secret.encode()
    encoded = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    return {secret, quote(secret, safe=""), *encoded, *(form.rstrip("=") for form in encoded)}


@lru_cache(maxsize=32)
def _redactor(secrets: tuple[str, ...]) -> Redactor:
    return Redactor(secrets)


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """Take out the given secrets, and whatever has the shape of one.

    >>> redact("PASSWORD=hunter2 and the key is key-123", secrets=["key-123"])
    'PASSWORD=[redacted: secret] and the key is [redacted: known secret]'
    """
    return _redactor(tuple(secrets))(text)
