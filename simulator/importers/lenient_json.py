"""JSON as the world writes it: what cannot stand in a canonical fact is replaced, nothing else is refused."""

import json
import math
from typing import Any

import msgspec

from engine.errors import RecordingError


def parse_object(line: bytes, place: str) -> dict[str, Any]:
    """Read one JSON object.

    Half a surrogate pair becomes a question mark, and NaN or a number beyond all range its name as text, so
    that the value can be written again exactly. Raises `RecordingError` when it is not JSON, or not an
    object.
    """
    try:
        found = parse(line)
    except ValueError as error:
        raise RecordingError(
            f"not JSON: {error}", place=place, cure="give JSON lines: one complete object on each line"
        ) from None
    if not isinstance(found, dict):
        raise RecordingError("not a JSON object", place=place, cure="give one object {…} on each line")
    return found


def parse(text: bytes | str) -> Any:
    """Read any JSON value, mended as `parse_object` does. Raises `ValueError` when it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        try:
            return _mended(json.loads(text))
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8") if _lone_surrogates(value) else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value


def _lone_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
