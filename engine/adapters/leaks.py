"""Finding in a text what must not be kept in clear: secrets by rules and by value, and personal data.

Secrets are found as they stand, and as they travel: percent-encoded, in base64, in hexadecimal, behind the
escapes of JSON, and with signs between that nobody sees. One search for all that could begin anything comes
first; most texts end there. Everything works on UTF-8, and takes time linear in the text.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

import re2
from msgspec import Struct

from engine.adapters.leak_rules import LeakRule, LeakRules, compiled
from engine.adapters.personal_data import HINT, personal_data
from engine.core.vocabulary.privacy import DataKind

# Shorter values would be found everywhere: a password `on` would redact half the English language.
SHORTEST: Final = 6
# Base64 in a percent-encoded address is met; what is wrapped more often is somebody's puzzle.
_DEEPEST: Final = 2
_MOST_RUNS: Final = 50_000
"""Whoever sends more that looks encoded is wasting our time: the rest is neither looked at nor kept."""
KNOWN: Final = "known secret"
_PLACE: Final = "the rules of secrets"

_BASE64: Final = r"[A-Za-z0-9+/_-]{24,}"
_PERCENT: Final = r"[^\s\"'<>]*%[0-9A-Fa-f]{2}[^\s\"'<>]*"
_HEX: Final = r"(?:[0-9A-Fa-f]{2}){12,}"
_ESCAPED: Final = r"[^\s\"'<>]*\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})[^\s\"'<>]*"
_ESCAPES: Final = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")


class Hit(Struct, frozen=True, array_like=True, order=True):
    """One thing that was found: where, in bytes of UTF-8, and what."""

    start: int
    end: int
    kind: DataKind
    name: str


class Scanner:
    """Finds secrets and personal data in texts. One serves many threads."""

    def __init__(self, rules: LeakRules, secrets: Iterable[str] = ()) -> None:
        """Go by these rules, and look for these values. Those under six letters are too short to look for."""
        self._by_keyword = [(word.encode(), found) for word, found in rules.by_keyword.items()]
        options = re2.Options()
        options.case_sensitive = False
        self._words = re2.Set.SearchSet(options)
        for word, _ in self._by_keyword:
            self._words.Add(re2.escape(word.decode()))
        self._words.Compile()
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        # The longest first: a shorter one may be its beginning.
        known = "|".join(re2.escape(form) for form in sorted(forms, key=len, reverse=True))
        self._known = compiled(known, _PLACE) if known else None
        words = "|".join(re2.escape(word.decode()) for word, _ in self._by_keyword if word)
        always = any(not word for word, _ in self._by_keyword)
        starts = [] if not words else [f"(?i:{words})"]
        secret_hint = "|".join(["(?s:.)"] if always else [*starts, *([known] if known else [])])
        travelling = r"%[0-9A-Fa-f]{2}|\\[ux][0-9A-Fa-f]{2}|[A-Za-z0-9+/_-]{24}|[^\x00-\x7f]"
        self._secret_hint = compiled(secret_hint, _PLACE)
        self._hint = compiled(f"{secret_hint}|{travelling}|{HINT}", _PLACE)
        self._runs: tuple[tuple[Any, Callable[[bytes], Iterable[bytes]]], ...] = (
            (compiled(_PERCENT, _PLACE), _percent),
            (compiled(_ESCAPED, _PLACE), _escaped),
            (compiled(_HEX, _PLACE), _hexadecimal),
            (compiled(_BASE64, _PLACE), _base64),
        )

    def may_hold(self, data: bytes) -> bool:
        """Whether anything could be in a text; one search, and most texts end here."""
        return self._hint.search(data) is not None

    def may_begin(self, data: bytes) -> bool:
        """Whether a secret could be in a text as it stands."""
        return self._secret_hint.search(data) is not None

    def hits(self, data: bytes, *, personal: bool = True) -> list[Hit]:
        """Return everything found in a text, in order; nothing overlaps. Without `personal` only secrets."""
        found = list(self._secrets(data, 0))
        if (plain := _plain(data)) != data:
            # A part may be written one way and a part another. Where it stood then nobody can say: all goes.
            more = _apart(list(self._secrets(plain, 0)))
            if len(more) > len(_apart(found)):
                found = [Hit(0, len(data), "secret", more[0].name)]
        if personal:
            found += [Hit(start, end, kind, kind) for start, end, kind in personal_data(data)]
        return _apart(found)

    def secrets(self, data: bytes) -> list[Hit]:
        """Return the secrets in a text, in order."""
        return self.hits(data, personal=False)

    def shapes(self, data: bytes) -> Iterable[tuple[int, int, str]]:
        """Return secrets that say themselves what they are: where each begins and ends, and what it is."""
        if not self.may_begin(data):
            return
        for rule in self._called_for(data):
            for start, end in rule.spans(data):
                secret = data[start:end].lower()
                if any(word.encode() in secret for word in rule.keywords):
                    yield start, end, rule.name

    def _secrets(self, data: bytes, depth: int) -> Iterable[Hit]:
        if self._secret_hint.search(data) is not None:
            if self._known is not None:
                for match in self._known.finditer(data):
                    yield Hit(match.start(), match.end(), "secret", KNOWN)
            for rule in self._called_for(data):
                for start, end in rule.spans(data):
                    yield Hit(start, end, "secret", rule.name)
        if depth == _DEEPEST:
            return
        for run, decode in self._runs:
            for nth, match in enumerate(run.finditer(data)):
                start, end = match.span()
                if nth == _MOST_RUNS:
                    yield Hit(start, len(data), "secret", "too much that is encoded")
                    break
                name = self._inside(decode(data[start:end]), depth)
                if name is not None:
                    yield Hit(start, end, "secret", name)

    def _inside(self, decoded: Iterable[bytes], depth: int) -> str | None:
        for data in decoded:
            # What was no text to begin with decodes to noise.
            if data.isascii() or self._secret_hint.search(data) is not None:
                for hit in self._secrets(data, depth + 1):
                    return hit.name
        return None

    def _called_for(self, data: bytes) -> Iterable[LeakRule]:
        """Return the rules of which a keyword stands in a text, each once."""
        called: dict[str, LeakRule] = {}
        found = self._words.Match(data)
        # It gives nothing where it had too little memory; then each keyword is looked for by itself.
        words = [self._by_keyword[nth] for nth in found] if found else self._one_by_one(data)
        for _, rules in words:
            for rule in rules:
                called[rule.id] = rule
        return called.values()

    def _one_by_one(self, data: bytes) -> list[tuple[bytes, tuple[LeakRule, ...]]]:
        lowered = data.lower()
        return [(word, rules) for word, rules in self._by_keyword if word in lowered]


def _apart(found: Sequence[Hit]) -> list[Hit]:
    """Leave of hits that overlap the one that says most: a secret, a shape of its own, the longest."""
    kept: list[Hit] = []
    for hit in sorted(found, key=lambda hit: (hit.start, -hit.end, hit.kind != "secret")):
        if kept and hit.start < kept[-1].end:
            last = kept[-1]
            if hit.end > last.end or (hit.kind == "secret") > (last.kind == "secret"):
                best = last if (last.kind == "secret") >= (hit.kind == "secret") else hit
                kept[-1] = Hit(last.start, max(last.end, hit.end), best.kind, best.name)
            continue
        kept.append(hit)
    return kept


def cut(text: str, hits: list[Hit]) -> str:
    """Return a text with what was found replaced by what it was."""
    if not hits:
        return text
    data, place = text.encode(errors="surrogatepass"), 0
    pieces: list[bytes] = []
    for hit in hits:
        pieces += [data[place : hit.start], f"[redacted: {hit.name}]".encode()]
        place = hit.end
    return b"".join([*pieces, data[place:]]).decode(errors="surrogatepass")


def _forms(secret: str) -> set[str]:
    """Return a value as it may be met: as it is, percent-encoded, in base64, in hexadecimal."""
    data = secret.encode(errors="surrogatepass")
    encoded = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    encoded |= {form.rstrip("=") for form in encoded}
    hexed, percent = data.hex(), quote(data, safe="")
    return {secret, percent, percent.lower(), hexed, hexed.upper(), *encoded}


def _percent(run: bytes) -> Iterable[bytes]:
    yield unquote_to_bytes(run)


def _escaped(run: bytes) -> Iterable[bytes]:
    yield _ESCAPES.sub(lambda match: chr(int(match[1] or match[2], 16)).encode(errors="replace"), run)


def _hexadecimal(run: bytes) -> Iterable[bytes]:
    yield bytes.fromhex(run.decode())


def _base64(run: bytes) -> Iterable[bytes]:
    # What stands before it may belong to the same alphabet, so where it begins is tried too.
    plain = run.translate(_STANDARD)
    for start in range(4):
        part = plain[start:]
        part = part[: len(part) - len(part) % 4] if len(part) % 4 == 1 else part + b"=" * (-len(part) % 4)
        try:
            yield binascii.a2b_base64(part)
        except binascii.Error:
            continue


_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


def _plain(data: bytes) -> bytes:
    """Return a text as whoever decodes it all reads it, without signs that nobody sees."""
    plain = unquote_to_bytes(data) if b"%" in data else data
    plain = next(iter(_escaped(plain))) if b"\\" in plain else plain
    if plain.isascii():
        return plain
    text = plain.decode(errors="replace")
    seen = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", seen).encode(errors="replace")
