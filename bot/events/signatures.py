"""Signatures: whether a request was signed with a source's secret, and now. In constant time.

GitHub, Stripe and Standard Webhooks are as their own documents describe them; all are HMAC-SHA256.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from engine.settings.events import SourceSection

_MOST_SIGNATURES: Final = 20
"""In one header: while a sender changes its secret, there are two."""
_STANDARD_SECRET: Final = "whsec_"  # noqa: S105 - what such secrets begin with


class Signed(Struct, frozen=True):
    """What a valid signature covers beside the body."""

    event_id: str = ""
    """Of Standard Webhooks; empty elsewhere."""


def signed(
    source: SourceSection, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now_s: float
) -> Signed | None:
    """Say whether one of the secrets signed this; `None` when none did, or its time is not now."""
    match source.scheme:
        case "hmac":
            given = headers.get(str(source.header).lower(), "")
            ok = _plain(secrets, given, source.prefix, source.encoding, body)
        case "github":
            ok = _plain(secrets, headers.get("x-hub-signature-256", ""), "sha256=", "hex", body)
        case "bearer":
            scheme, _, token = headers.get("authorization", "").partition(" ")
            ok = scheme.casefold() == "bearer" and _any_equal(
                [each.encode() for each in secrets], token.strip().encode()
            )
        case "stripe":
            ok = _stripe(secrets, headers.get("stripe-signature", ""), body, source.tolerance_s, now_s)
        case "standard":
            event_id = headers.get("webhook-id", "")
            ok = _standard(secrets, headers, body, source.tolerance_s, now_s)
            return Signed(event_id) if ok and event_id else None
    return Signed() if ok else None


def _plain(secrets: Sequence[str], given: str, prefix: str, encoding: str, body: bytes) -> bool:
    if not given.startswith(prefix):
        return False
    found = _decoded(given.removeprefix(prefix).strip(), encoding)
    return found is not None and _any_equal([_mac(each.encode(), body) for each in secrets], found)


def _stripe(secrets: Sequence[str], header: str, body: bytes, tolerance_s: float, now_s: float) -> bool:
    parts = [part.strip().partition("=") for part in header.split(",")[:_MOST_SIGNATURES]]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not _is_now(times[0], tolerance_s, now_s):
        return False
    macs = [_mac(each.encode(), times[0].encode() + b"." + body) for each in secrets]
    given = [
        found for name, _, value in parts if name == "v1" and (found := _decoded(value, "hex")) is not None
    ]
    return sum(_any_equal(macs, each) for each in given) > 0


def _standard(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, tolerance_s: float, now_s: float
) -> bool:
    event_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event_id.isascii() or not event_id.isprintable() or not _is_now(at, tolerance_s, now_s):
        return False
    content = f"{event_id}.{at}.".encode() + body
    keys = [_decoded(each.removeprefix(_STANDARD_SECRET), "base64") for each in secrets]
    macs = [_mac(key, content) for key in keys if key]
    given = [
        found
        for part in headers.get("webhook-signature", "").split(" ")[:_MOST_SIGNATURES]
        if part.startswith("v1,") and (found := _decoded(part.removeprefix("v1,"), "base64")) is not None
    ]
    return sum(_any_equal(macs, each) for each in given) > 0


def _is_now(text: str, tolerance_s: float, now_s: float) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12 and abs(now_s - int(text)) <= tolerance_s


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def _any_equal(ours: Sequence[bytes], given: bytes) -> bool:
    # All of them, whichever fits: how long it takes says nothing.
    return sum(hmac.compare_digest(each, given) for each in ours) > 0


def _decoded(text: str, encoding: str) -> bytes | None:
    try:
        if encoding == "hex":
            return bytes.fromhex(text) if text.isascii() else None
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
