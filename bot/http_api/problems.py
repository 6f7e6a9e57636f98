"""Everything that goes wrong, as a problem of RFC 9457: what, where, and what to do about it."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec
from fastapi.exceptions import RequestValidationError
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.adapters.redaction import redact
from engine.errors import (
    ChainBroken,
    EffectRefused,
    Forbidden,
    InputError,
    JournalBusy,
    JournalError,
    LeaseLost,
    OutcomeUnknown,
    Stopped,
    StorageError,
    Unreachable,
    WatchkeeperError,
    WorldMovedOn,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_S: Final = 1
"""When to come back after the engine was away: it is restarted within about that time."""

TITLES: Final[dict[str, tuple[int, str]]] = {
    "unauthorised": (401, "A token is needed"),
    "forbidden": (403, "This token may not do that"),
    "not-found": (404, "There is no such thing"),
    "wrong-method": (405, "This address is asked in another way"),
    "not-acceptable": (406, "Nothing you accept can be given"),
    "too-slow": (408, "The request took too long to arrive"),
    "lease-lost": (409, "The lease is over"),
    "conflict": (409, "It is already otherwise"),
    "stopped": (409, "A stop stands in the way"),
    "unproven": (409, "The evidence does not carry it yet"),
    "world-moved-on": (409, "The world has moved on"),
    "refused": (409, "The effect was refused, and nothing was done"),
    "too-large": (413, "The body is too large"),
    "wrong-media-type": (415, "The body is of a kind we do not read"),
    "misdirected": (421, "This is not the host you asked for"),
    "invalid": (422, "The request is wrong"),
    "too-many": (429, "Too many requests"),
    "head-too-large": (431, "The request line and headers are too large"),
    "bug": (500, "A bug of ours"),
    "engine-away": (503, "The engine does not answer"),
    "journal": (503, "The journal cannot be used"),
    "storage": (507, "The machine refuses to store"),
}
"""Kind of problem → status and title. The kind ends the problem's `type`."""

_BY_STATUS: Final = {401: "unauthorised", 404: "not-found", 405: "wrong-method", 422: "invalid"}
_BY_ERROR: Final[tuple[tuple[type[WatchkeeperError], str], ...]] = (
    (Unreachable, "engine-away"),
    (Forbidden, "forbidden"),
    (Stopped, "stopped"),
    (WorldMovedOn, "world-moved-on"),
    (EffectRefused, "refused"),
    (LeaseLost, "lease-lost"),
    (OutcomeUnknown, "conflict"),
    (ChainBroken, "journal"),
    (JournalBusy, "journal"),
    (JournalError, "conflict"),
    (StorageError, "storage"),
    (InputError, "invalid"),
)


class Fault(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a request."""

    place: Annotated[str, Meta(description="body, query, path or header", examples=["body"])]
    pointer: Annotated[str, Meta(description="JSON pointer into it", examples=["/impact/files"])]
    detail: str


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457), and what to do about it."""

    type: Annotated[str, Meta(examples=["urn:watchkeeper:not-found"])]
    title: str
    status: int
    detail: str
    cure: Annotated[str, Meta(description="What to do about it")] = ""
    place: Annotated[str, Meta(description="What it is about: a file, an id, a parameter")] = ""
    request_id: Annotated[str, Meta(description="Stands in the log too")] = ""
    faults: Annotated[tuple[Fault, ...], Meta(description="All that is wrong with the request")] = ()


class Problem(HTTPException):
    """A problem on its way out. May be raised anywhere below the middleware."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        cure: str = "",
        place: str = "",
        headers: Mapping[str, str] | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        """Name a kind of `TITLES`, and say what is wrong in particular."""
        status, self.title = TITLES[kind]
        super().__init__(status, detail, dict(headers or {}))
        self.kind, self.cure, self.place, self.faults = kind, cure, place, faults

    def response(self, request_id: str) -> Response:
        """Write it as an answer."""
        details = ProblemDetails(
            type=f"urn:watchkeeper:{self.kind}",
            title=self.title,
            status=self.status_code,
            # What was sent may be quoted in it, and answers are logged and pasted into tickets.
            detail=redact(str(self.detail)),
            cure=redact(self.cure),
            place=redact(self.place),
            request_id=request_id,
            faults=tuple(
                Fault(place=fault.place, pointer=redact(fault.pointer), detail=redact(fault.detail))
                for fault in self.faults
            ),
        )
        return Response(
            msgspec.json.encode(details),
            status_code=self.status_code,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


def of_error(error: WatchkeeperError) -> Problem:
    """Turn one of our errors into a problem, with its place and cure."""
    kind = next((kind for raised, kind in _BY_ERROR if isinstance(error, raised)), "bug")
    retry = {"Retry-After": str(RETRY_S)} if TITLES[kind][0] == 503 else {}
    cure = error.cure or "see watchkeeper status"
    return Problem(kind, error.message, cure=cure, place=error.place or "", headers=retry)


def problem_of(error: Exception) -> Problem:
    """Turn whatever a route may raise into a problem; what is none of that is a bug, and raised again."""
    if isinstance(error, WatchkeeperError):
        return of_error(error)
    if isinstance(error, RequestValidationError):
        return of_validation(error)
    if isinstance(error, HTTPException):
        return of_framework(error)
    raise error


def of_framework(error: HTTPException) -> Problem:
    """Turn what the framework refuses by itself into a problem."""
    if isinstance(error, Problem):
        return error
    kind = _BY_STATUS.get(error.status_code, "invalid")
    detail, cure = {
        "not-found": ("there is nothing at this address", "see /openapi.json"),
        "wrong-method": ("this address does not take that method", "see the header Allow, or /openapi.json"),
    }.get(kind, (str(error.detail), ""))
    return Problem(kind, detail, cure=cure, headers=error.headers)


def of_validation(error: RequestValidationError) -> Problem:
    """Turn what a model refuses into a problem that lists every fault with its place."""
    faults = tuple(_faults(error.errors()))
    return Problem(
        "invalid",
        f"{len(faults)} fault{'s' if len(faults) != 1 else ''} in the request",
        cure="mend each of the faults; see /openapi.json for what is taken",
        faults=faults,
    )


def _faults(errors: Iterable[Mapping[str, Any]]) -> Iterable[Fault]:
    for error in errors:
        place, *steps = error["loc"] or ("body",)
        # Names of arguments and headers come from outside, and need the two escapes of RFC 6901.
        pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
        yield Fault(place=str(place), pointer=pointer, detail=error["msg"].removeprefix("Value error, "))


def request_id(request: Request) -> str:
    """Return the id that this request carries in answers and in the log."""
    found = request.scope.get("state", {}).get("request_id", "")
    return str(found)
