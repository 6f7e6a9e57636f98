"""What the fake keeps: requests as they came, and the calls and texts they made, in Twilio's words."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from msgspec import Struct, field

VERSION: Final = "2010-04-01"
Json = dict[str, Any]


class Asked(Struct, frozen=True, kw_only=True):
    """One request as it came over the wire."""

    at_s: float
    """When its first byte was read, by the clock that only goes forward."""
    method: str
    target: str
    """Path and query, as they were written."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def path(self) -> str:
        """Everything before the query."""
        return self.target.partition("?")[0]

    def query(self) -> dict[str, str]:
        """Return the query."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    def form(self) -> list[tuple[str, str]]:
        """Return the fields of the body, in their order."""
        return parse_qsl(self.body.decode(), keep_blank_values=True)


class Call(Struct, kw_only=True):
    """A call, as Twilio knows it and as the phone heard it."""

    sid: str
    account_sid: str
    to: str
    from_: str
    created_s: float
    """By the machine's clock, as Twilio would write it."""
    status: str = "queued"
    answered_by: str | None = None
    url: str = ""
    twiml: str = ""
    status_callback: str = ""
    steps: tuple[str, ...] = ()
    """Which steps are called back."""
    detects_machines: bool = False
    heard: list[str] = field(default_factory=list)
    """What was said into the phone, a `Say` each."""
    pressed: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What Twilio would list in its debugger: addresses that did not answer, TwiML that is none."""

    def shown(self) -> Json:
        """Write it as the API does."""
        made = _date(self.created_s)
        uri = f"/{VERSION}/Accounts/{self.account_sid}/Calls/{self.sid}"
        return {
            "sid": self.sid, "date_created": made, "date_updated": made, "parent_call_sid": None,
            "account_sid": self.account_sid, "to": self.to, "to_formatted": self.to, "from": self.from_,
            "from_formatted": self.from_, "phone_number_sid": "PN" + "0" * 32, "status": self.status,
            "start_time": None if self.status == "queued" else made, "end_time": None, "duration": None,
            "price": None, "price_unit": "USD", "direction": "outbound-api", "answered_by": self.answered_by,
            "api_version": VERSION, "forwarded_from": None, "group_sid": None, "caller_name": None,
            "queue_time": "0", "trunk_sid": None, "uri": f"{uri}.json",
            "subresource_uris": {"events": f"{uri}/Events.json"},
        }  # fmt: skip


class Text(Struct, kw_only=True):
    """An SMS that we asked for."""

    sid: str
    account_sid: str
    to: str
    from_: str
    body: str
    created_s: float
    status: str = "queued"
    error_code: int | None = None
    status_callback: str = ""
    segments: int = 1

    def shown(self) -> Json:
        """Write it as the API does."""
        made = _date(self.created_s)
        uri = f"/{VERSION}/Accounts/{self.account_sid}/Messages/{self.sid}"
        return {
            "body": self.body, "num_segments": str(self.segments), "direction": "outbound-api",
            "from": self.from_, "to": self.to, "date_updated": made, "price": None, "error_message": None,
            "uri": f"{uri}.json", "account_sid": self.account_sid, "num_media": "0", "status": self.status,
            "messaging_service_sid": None, "sid": self.sid, "date_sent": None, "date_created": made,
            "error_code": self.error_code, "price_unit": "USD", "api_version": VERSION,
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }  # fmt: skip


def http_date(at_s: float) -> str:
    """Write a time as HTTP headers do."""
    return format_datetime(datetime.fromtimestamp(int(at_s), UTC), usegmt=True)


def _date(at_s: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(at_s), UTC))
