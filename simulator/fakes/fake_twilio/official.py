"""Requests and answers held against Twilio's official OpenAPI description; takes openapi-core."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from simulator.fakes.fake_twilio.records import Asked

_HOST: Final = "https://api.twilio.com"


class Official:
    """The description, loaded."""

    def __init__(self, path: Path) -> None:
        """Load it, once for each file."""
        self._description = _loaded(path)

    def faults(self, asked: Asked, status: int, answer: bytes) -> list[str]:
        """Return what is wrong with a request, and with the answer to it when that says yes."""
        from openapi_core.datatypes import RequestParameters
        from openapi_core.exceptions import OpenAPIError

        # It looks headers up by one spelling only.
        headers = {name.title(): value for name, value in asked.headers.items()}
        request = _Request(asked, RequestParameters(query=asked.query(), header=headers))
        found = []
        try:
            found += [_told(error) for error in self._description.iter_request_errors(request)]
            if 200 <= status < 300:
                response = _Response(status, answer)
                found += [
                    f"our answer: {_told(error)}"
                    for error in self._description.iter_response_errors(request, response)
                ]
        except OpenAPIError as error:
            found.append(_told(error))
        known = self._fields(asked)
        if known is not None:
            found += [f"{name} is no field of it" for name, _ in asked.form() if name not in known]
        return found

    def _fields(self, asked: Asked) -> set[str] | None:
        """The description forbids no unknown fields; Twilio ignores them, which is how a typo hides."""
        if asked.method != "POST":
            return None
        what = asked.path.rpartition("/")[2]
        path = f"/2010-04-01/Accounts/{{AccountSid}}/{what}"
        operation = self._description.spec["paths"][path]["post"]["requestBody"]["content"]
        return set(operation["application/x-www-form-urlencoded"]["schema"]["properties"].keys())


class _Request:
    """A request in the form openapi-core takes."""

    host_url = _HOST

    def __init__(self, asked: Asked, parameters: Any) -> None:
        self.method, self.path, self.parameters = asked.method.lower(), asked.path, parameters
        self.body = asked.body or None
        self.content_type = asked.headers.get("content-type", "")


class _Response:
    """An answer in the form openapi-core takes."""

    content_type = "application/json"

    def __init__(self, status: int, data: bytes) -> None:
        self.status_code, self.data = status, data
        self.headers: dict[str, str] = {}


def _told(error: BaseException) -> str:
    cause = error.__cause__ or error
    faults = getattr(cause, "schema_errors", None)
    said = "; ".join(
        f"{'/'.join(map(str, fault.absolute_path))}: {fault.message[:200]}" for fault in faults or ()
    )
    return said or f"{type(error).__name__}: {cause}"


@lru_cache(maxsize=1)
def _loaded(path: Path) -> Any:
    from openapi_core import Config, OpenAPI

    # The description is not checked itself: it is Twilio's own.
    return OpenAPI.from_dict(json.loads(path.read_bytes()), config=Config(spec_validator_cls=None))
