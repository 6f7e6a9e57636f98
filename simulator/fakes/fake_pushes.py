"""What ntfy, Pushover, PagerDuty and GoAlert do with a request, as their documentation has it.

Each is the contract of a `FakeProvider` and keeps what it took, so that a test can look at it. They refuse
what the real ones refuse.
"""

import itertools
import json
import re
from typing import Any, Final

from simulator.fakes.fake_provider import Reply, Request

_NTFY_NAME: Final = re.compile(r"[-_A-Za-z0-9]{1,64}")
_PUSHOVER_KEY: Final = re.compile(r"[A-Za-z0-9]{30}")


class FakeNtfy:
    """Topics, and what was published to them. One sequence is one notification on a phone."""

    def __init__(self, *, token: str = "") -> None:
        """Ask for a token if one is given."""
        self._token, self._numbers = token, itertools.count(1)
        self.published: list[dict[str, Any]] = []

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        if self._token and request.headers.get("authorization") != f"Bearer {self._token}":
            return Reply.of({"code": 40301, "http": 403, "error": "forbidden"}, status=403)
        if request.path == "/v1/health":
            return Reply.of({"healthy": True})
        if request.method == "GET" and request.path.endswith("/json"):
            topic = request.path.removeprefix("/").removesuffix("/json")
            kept = [each for each in self.published if each["topic"] == topic]
            return Reply(body=b"".join(json.dumps(each).encode() + b"\n" for each in kept))
        return self._publish(request)

    def shown(self) -> dict[str, dict[str, Any]]:
        """Return what phones show: the newest of each sequence."""
        return {each["sequence_id"]: each for each in self.published}

    def _publish(self, request: Request) -> Reply:
        table = request.table
        fits = (
            request.path == "/"
            and _NTFY_NAME.fullmatch(table["topic"])
            and _NTFY_NAME.fullmatch(table.get("sequence_id", "x"))
            and table.get("priority", 3) in range(1, 6)
            and len(table.get("actions", [])) <= 3
            and len(table["message"].encode()) <= 4096
        )
        if not fits:
            return Reply.of({"code": 40000, "http": 400, "error": "invalid request"}, status=400)
        self.published.append(table | {"id": f"m{next(self._numbers)}", "event": "message"})
        return Reply.of(self.published[-1])


class FakePushover:
    """An application with one token, its users, and the receipts of what rings."""

    def __init__(self, *, token: str, users: frozenset[str]) -> None:
        """Take this token and these user keys."""
        self._token, self._users, self._numbers = token, users, itertools.count(1)
        self.pushed: list[dict[str, str]] = []
        self.receipts: dict[str, dict[str, Any]] = {}

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        given = request.form if request.method == "POST" else request.query
        if given.get("token") != self._token:
            return _refused({"token": "invalid"}, "application token is invalid")
        match request.path.strip("/").split("/"):
            case ["1", "messages.json"]:
                return self._push(given)
            case ["1", "users", "validate.json"]:
                return self._valid(given) or Reply.of({"status": 1, "devices": ["phone"]})
            case ["1", "sounds.json"]:
                return Reply.of({"status": 1, "sounds": {}})
            case ["1", "receipts", *rest]:
                return self._receipt([part.removesuffix(".json") for part in rest])
            case _:
                return Reply(status=404)

    def ringing(self) -> list[str]:
        """Return the receipts that still ring."""
        return [
            name for name, each in self.receipts.items() if not each["acknowledged"] and not each["expired"]
        ]

    def acknowledge(self, receipt: str, *, by: str) -> None:
        """Have a user acknowledge it."""
        self.receipts[receipt] |= {"acknowledged": 1, "acknowledged_by": by, "acknowledged_at": 1}

    def _receipt(self, rest: list[str]) -> Reply:
        if rest[0] == "cancel_by_tag":
            for receipt in self.receipts.values():
                if receipt["tag"] == rest[1]:
                    receipt["expired"] = 1
            return Reply.of({"status": 1})
        if rest[0] in self.receipts:
            return Reply.of(self.receipts[rest[0]])
        return _refused({"receipt": "not found"}, "receipt not found", status=404)

    def _valid(self, given: dict[str, str]) -> Reply | None:
        if given.get("user") not in self._users:
            return _refused({"user": "invalid"}, "user identifier is not a valid user, group, or subscribed")
        return None

    def _push(self, given: dict[str, str]) -> Reply:
        if refusal := self._valid(given):
            return refusal
        if not given.get("message") or len(given["message"]) > 1024 or len(given.get("title", "")) > 250:
            return _refused({"message": "invalid"}, "message cannot be blank, or is too long")
        self.pushed.append(given)
        if given.get("priority") != "2":
            return Reply.of({"status": 1, "request": "r"})
        if not (int(given.get("retry", 0)) >= 30 and 0 < int(given.get("expire", 0)) <= 10_800):
            return _refused({"retry": "invalid"}, "retry and expire must be supplied with priority=2")
        receipt = f"{next(self._numbers):030d}"
        self.receipts[receipt] = {
            "status": 1, "acknowledged": 0, "acknowledged_by": "", "last_delivered_at": 0, "expired": 0,
            "tag": given.get("tags", ""),
        }  # fmt: skip
        return Reply.of({"status": 1, "request": "r", "receipt": receipt})


def _refused(fields: dict[str, str], why: str, *, status: int = 400) -> Reply:
    return Reply.of({**fields, "errors": [why], "status": 0, "request": "r"}, status=status)


class FakePagerDuty:
    """A service with one integration key, and its incidents."""

    def __init__(self, *, key: str) -> None:
        """Take this key."""
        self._key = key
        self.incidents: dict[str, str] = {}
        """By key: triggered, acknowledged or resolved."""

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        if request.path != "/v2/enqueue":
            return Reply(status=404)
        table = request.table
        faults = []
        if len(table.get("routing_key", "")) != 32 or table["routing_key"] != self._key:
            faults.append("Length of 'routing_key' is incorrect (should be 32 characters)")
        if table.get("event_action") == "trigger":
            payload = table.get("payload", {})
            faults += [
                f"'payload.{name}' is missing" for name in ("summary", "source") if not payload.get(name)
            ]
            if payload.get("severity") not in {"critical", "error", "warning", "info"}:
                faults.append("'payload.severity' is invalid")
        if len(table.get("dedup_key", "")) > 255 or len(request.body) > 512 * 1024:
            faults.append("too long")
        if faults:
            said = {"status": "invalid event", "message": "Event object is invalid", "errors": faults}
            return Reply.of(said, status=400)
        states = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
        self.incidents[table["dedup_key"]] = states[table["event_action"]]
        said = {"status": "success", "message": "Event processed", "dedup_key": table["dedup_key"]}
        return Reply.of(said, status=202)


class FakeGoAlert:
    """A service with one integration key, and what stands open there."""

    def __init__(self, *, token: str) -> None:
        """Take this token."""
        self._token = token
        self.open: dict[str, str] = {}

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        if request.path == "/health":
            return Reply()
        if request.path != "/api/v2/generic/incoming" or request.query.get("token") != self._token:
            return Reply(status=401, body=b"Unauthorized\n")
        table = request.table
        if table.get("action") == "close":
            self.open.pop(table["dedup"], None)
        elif not table["summary"]:
            return Reply(status=400, body=b"invalid value for 'Summary': must not be empty\n")
        else:
            self.open[table["dedup"]] = table["summary"]
        return Reply(status=204)
