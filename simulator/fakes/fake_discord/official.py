"""Requests held against Discord's official OpenAPI description."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

_HOST: Final = "https://discord.com"
_LONGEST: Final = 200


class Official:
    """The description, loaded; takes openapi-core, which comes with our tools of development."""

    def __init__(self, path: Path) -> None:
        """Load a description, once for each file."""
        self._description = _loaded(path, path.stat().st_mtime_ns)

    def faults(
        self, *, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> list[str]:
        """Return what is wrong with a request; the body is its JSON, whatever it came wrapped in."""
        found = _faults(
            self._description,
            method=method.lower(),
            path=path,
            query=tuple(query.items()),
            headers=tuple(headers.items()),
            body=body,
        )
        return list(found)


class _Request:
    """A request in the form openapi-core takes."""

    host_url = _HOST
    content_type = "application/json"

    def __init__(self, *, method: str, path: str, parameters: Any, body: bytes | None) -> None:
        self.method, self.path, self.parameters, self.body = method, path, parameters, body


def _told(error: Exception) -> list[str]:
    """Return one line for each fault, with its place."""
    cause = error.__cause__ or error
    faults = getattr(cause, "schema_errors", None)
    if not faults:
        return [f"{type(error).__name__}: {' '.join(str(cause).split())}"]
    lines = []
    for fault in faults:
        deepest = fault
        while deepest.context:
            deepest = _telling(deepest.context)
        at = "/".join(str(step) for step in deepest.absolute_path)
        # The value at fault stands in front, and may be long.
        said = deepest.message
        lines.append(f"{at or 'body'}: {said if len(said) < _LONGEST else said[:80] + '…' + said[-80:]}")
    return lines


def _telling(alternatives: Sequence[Any]) -> Any:
    """Return the fault that says most: of the alternative whose kind was meant, and furthest inside."""
    meant: dict[Any, list[Any]] = {}
    for fault in alternatives:
        meant.setdefault(fault.schema_path[0], []).append(fault)

    def is_other_kind(faults: list[Any]) -> bool:
        return any(
            (one.validator == "type" and not one.relative_path)
            or (one.validator in ("enum", "const") and one.absolute_path[-1] == "type")
            for one in faults
        )

    kind = min(meant.values(), key=lambda faults: (is_other_kind(faults), len(faults)))
    return max(kind, key=lambda one: len(one.absolute_path))


_Named = tuple[tuple[str, str], ...]


# A bot says all its commands at every start, in the same words, and to look at those takes half a second.
@lru_cache(maxsize=64)
def _faults(
    description: Any, *, method: str, path: str, query: _Named, headers: _Named, body: bytes
) -> tuple[str, ...]:
    from openapi_core.datatypes import RequestParameters
    from openapi_core.exceptions import OpenAPIError

    parameters = RequestParameters(query=dict(query), header=dict(headers))
    request = _Request(method=method, path=path, parameters=parameters, body=body or None)
    found = []
    try:
        for error in description.iter_request_errors(request):
            found += _told(error)
    except OpenAPIError as error:
        found += _told(error)
    return tuple(found)


@lru_cache(maxsize=2)
def _loaded(path: Path, _changed_ns: int) -> Any:
    from openapi_core import Config, OpenAPI

    document = json.loads(path.read_bytes())
    # The platform takes ids as numbers too, and discord.py sends some so; its description says text only.
    schemas = document["components"]["schemas"]
    schemas["SnowflakeType"] = {"anyOf": [schemas["SnowflakeType"], {"type": "integer", "minimum": 0}]}
    # The description is not checked itself: it is the platform's own, and that would take seven seconds.
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))
