"""What Twilio answers when it does not do as asked, and what that means for us."""

from email.utils import parsedate_to_datetime
from typing import Final, Literal

import httpx
import msgspec
from msgspec import Struct

from engine.adapters.machine_time import now_us
from engine.core.plain_text import shortened
from notifiers.channel import NotSent

_CHECK: Final = "correct it in people.yaml"
_ADDRESS: Final[dict[int, str]] = {
    21211: _CHECK,
    21214: _CHECK,
    21217: _CHECK,
    21401: _CHECK,
    21421: _CHECK,
    21614: "it cannot get SMS: give another one, or reach this person by call",
    21612: "no carrier takes SMS from your number to it: give another one, or reach this person by call",
    21610: "that person wrote STOP to your number: have them write START to it",
    21408: "allow its country: Twilio Console, Messaging, Settings, Geo permissions",
    21215: "allow its country: Twilio Console, Voice, Settings, Geo permissions",
    21216: "Twilio does not call it: give another one",
    13224: "Twilio does not call it: give another one",
    13225: "Twilio does not call it: give another one",
    13227: "allow its country: Twilio Console, Voice, Settings, Geo permissions",
    21219: "a trial account reaches verified numbers only: verify it, or upgrade the account",
    21608: "a trial account reaches verified numbers only: verify it, or upgrade the account",
}
"""Codes about the number that was to be reached, with the cure: trying again mends none of them."""
_BUSY: Final = frozenset({20429, 14107, 21611, 10004, 30001})
"""Codes that mean: too much at once."""
_SETUP: Final[dict[int, str]] = {
    20003: "correct account_sid in channels.yaml, or the token in the file twilio-token",
    20005: "the account is not active: see the Twilio Console",
    10001: "the account is not active: see the Twilio Console",
    20008: "these are test credentials: use the live ones",
    21205: "Twilio must be able to reach public_url",
    21609: "Twilio must be able to reach public_url",
    21210: "from_number must be a number of this account",
    21212: "from_number must be a number of this account",
    21606: "from_number must be a number of this account that can send SMS",
    21659: "from_number must be a number of this account",
}
_BETWEEN: Final = frozenset({502, 504})
"""Some server in between gave up: what stands behind it may have gone on."""
_LONGEST: Final = 200

Kind = Literal["address", "setup", "busy", "broken", "unsure"]


class Refusal(Struct, frozen=True):
    """The body of an answer that says no."""

    code: int | None = None
    message: str = ""


def not_sent(response: httpx.Response) -> NotSent:
    """Tell what an answer other than 2xx means."""
    status, refusal = response.status_code, _refusal(response)
    code = refusal.code or 0
    said = shortened(refusal.message, _LONGEST) or f"HTTP {status}"
    kind, cure = _meaning(status, code)
    return NotSent(
        f"{said} (code {code})" if code else said,
        kind=kind,
        retry_s=_retry_s(response) if kind in {"busy", "broken"} else None,
        place="Twilio",
        cure=cure,
    )


def _meaning(status: int, code: int) -> tuple[Kind, str | None]:
    found: tuple[Kind, str | None]
    if status == 429 or code in _BUSY:
        found = "busy", None
    elif status in _BETWEEN:
        found = "unsure", None
    elif status >= 500:
        found = "broken", None
    elif status < 400:
        found = "setup", "it sends us elsewhere, and we do not follow: set base_url to the server itself"
    elif code in _ADDRESS:
        found = "address", _ADDRESS[code]
    elif status in {401, 403}:
        found = "setup", _SETUP.get(code, _SETUP[20003])
    else:
        more = f"see https://www.twilio.com/docs/api/errors/{code}" if code else None
        found = "setup", _SETUP.get(code, more)
    return found


def why_failed(code: str) -> str:
    """Say what an error code of a message or call that was taken and then failed means, where it is known."""
    known = {
        "30003": "the phone is off or out of reach",
        "30004": "the carrier or the phone blocks it",
        "30005": "there is no such number",
        "30006": "it is a landline, or its carrier takes no SMS",
        "30007": "the carrier took it for spam",
        "30008": "the carrier did not say why",
        "30034": "the number is not registered for SMS to the United States (A2P 10DLC)",
    }
    return f"error {code}" + (f": {known[code]}" if code in known else "") if code else ""


def _refusal(response: httpx.Response) -> Refusal:
    try:
        return msgspec.json.decode(response.content, type=Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refusal()


def _retry_s(response: httpx.Response) -> float | None:
    """Read how long to wait: seconds, or a time; `None` where neither is given."""
    given = response.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return float(min(int(given[:9]), 86_400))
    try:
        return min(max(parsedate_to_datetime(given).timestamp() - now_us() / 1e6, 0.0), 86_400.0)
    except (ValueError, OverflowError):
        return None
