"""Cells of a row as the values a fact needs. Every refusal names row, column and cure."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import msgspec

from engine.core.vocabulary.units import parse_time
from engine.errors import RecordingError
from simulator.importers.lenient_json import parse_object
from simulator.importers.mapping import Argument, Condition, Time, Truth, Value, template_columns
from simulator.importers.source import listed

T = TypeVar("T")

EMPTY: Final = object()
"""A cell that is not there, null, or empty text."""
ROW: Final = "row"
"""Stands for the number of the row, from 1, where no column is called so."""
YES: Final = frozenset({"true", "yes", "y", "t", "1", "ok", "success", "succeeded", "passed"})
NO: Final = frozenset({"false", "no", "n", "f", "0", "failed", "failure", "error", "fail"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS_US: Final = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
# Years 1 to 9999, which is what a date in Python can say.
_EARLIEST_US: Final = -62_135_596_800_000_000
_LATEST_US: Final = 253_402_300_799_999_999


class _WrongError(ValueError):
    """What a cell is not."""


class Row:
    """One row, what it is called in messages, and what was found in it."""

    __slots__ = ("cells", "number", "place")

    def __init__(self, place: str, number: int, cells: Mapping[str, Any]) -> None:
        """Wrap the cells by column."""
        self.place = place
        self.number = number
        self.cells = cells

    def cell(self, column: str) -> Any:
        """Return a cell, or `EMPTY`. In JSON a dotted name reaches into objects."""
        found = self.cells.get(column, EMPTY)
        if found is EMPTY and "." in column:
            found = self.cells
            for step in column.split("."):
                found = found.get(step, EMPTY) if isinstance(found, dict) else EMPTY
        if found is EMPTY and column == ROW:
            return self.number
        return EMPTY if found is None or found == "" else found

    def refuse(self, column: str, why: str, cure: str) -> RecordingError:
        """Make the error for a cell."""
        return RecordingError(why, place=f"{self.place} column {column!r}", cure=cure)

    def cure_empty(self, column: str) -> str:
        """Say what helps where a cell is empty: a row of JSON may simply not have that name."""
        if column not in self.cells:
            return f"the columns this row has: {listed(self.cells)}"
        return "give it a default, or keep such rows out with `when`"


Reader = Callable[[Row], Any]


def text_of(value: Any) -> str:
    """Write any value as text: JSON's words for true and false, canonical JSON for objects and lists."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, order="deterministic").decode()


def reader(value: Value) -> Reader:
    """Compile a value into a function of the row, giving `EMPTY` where it has none and no default."""
    default = EMPTY if value.default is None else value.default
    if value.template is not None:
        return _template(value.template, default)
    if value.column is None:
        constant = EMPTY if value.value is None else value.value
        return lambda _: constant
    column = value.column

    def read(row: Row) -> Any:
        found = row.cell(column)
        return default if found is EMPTY else found

    return read


def required(value: Value, field: str, convert: Callable[[Any], T]) -> Callable[[Row], T]:
    """Compile a field that must have a value."""
    read, named = reader(value), value.column or value.template or field
    columns = [value.column or ""]
    if value.template is not None:
        columns = [column for _, column in template_columns(value.template) if column is not None]

    def field_of(row: Row) -> T:
        found = read(row)
        if found is EMPTY:
            column = next((name for name in columns if row.cell(name) is EMPTY), field)
            raise row.refuse(column, f"{field} needs it, and it is empty", row.cure_empty(column))
        return _converted(row, named, field, found, convert)

    return field_of


def optional(value: Value | None, field: str, convert: Callable[[Any], T], missing: T) -> Callable[[Row], T]:
    """Compile a field that may be left out, in the mapping or in the row."""
    if value is None:
        return lambda _: missing
    read, named = reader(value), value.column or field

    def field_of(row: Row) -> T:
        found = read(row)
        return missing if found is EMPTY else _converted(row, named, field, found, convert)

    return field_of


def argument(value: Argument, name: str) -> Reader:
    """Compile an argument; it returns `EMPTY` where it is to be left out."""
    read, named = reader(value), value.column or name
    convert = _ARGUMENTS[value.type]
    empty = {"omit": EMPTY, "null": None, "keep": ""}[value.empty]

    def argument_of(row: Row) -> Any:
        found = read(row)
        return empty if found is EMPTY else _converted(row, named, name, found, convert)

    return argument_of


def truth(value: Truth | None, field: str) -> Callable[[Row], bool]:
    """Compile a yes or no; `None` means no."""
    if value is None or value.column is None:
        constant = bool(value is not None and value.value)
        return lambda _: constant
    column = value.column
    if value.model_fields_set & {"equals", "one_of"}:
        wanted = value.one_of if value.one_of is not None else (value.equals,)
        return _is_one_of(column, wanted)

    def truth_of(row: Row) -> bool:
        found = row.cell(column)
        word = "" if found is EMPTY else text_of(found).strip().lower()
        if word in YES or word in NO:
            return word in YES
        cure = f"say what means yes: {field}: {{column: {column}, equals: …}}"
        raise row.refuse(column, f"{field}: {word!r} is neither yes nor no", cure)

    return truth_of


def condition(test: Condition) -> Callable[[Row], bool]:
    """Compile a test of one column. Values are compared as text, so that 1 in YAML equals 1 in a table."""
    if test.not_in is not None:
        refused = _is_one_of(test.column, test.not_in)
        return lambda row: not refused(row)
    return _is_one_of(test.column, test.one_of if test.one_of is not None else (test.equals,))


def time_reader(time: Time) -> Callable[[Row], int]:
    """Compile the time column into microseconds since 1970 UTC."""
    column, form = time.column, time.format

    def at_us(row: Row) -> int:
        found = row.cell(column)
        if found is EMPTY:
            raise row.refuse(column, "the time is empty", row.cure_empty(column))
        text = text_of(found).strip()
        try:
            moment = _instant(text, form)
        except (ValueError, OverflowError, InvalidOperation):
            raise row.refuse(column, f"{text!r} is not a time in the format {form!r}", _CURE_TIME) from None
        if not _EARLIEST_US <= moment <= _LATEST_US:
            raise row.refuse(column, f"{text!r} is outside the years 1 to 9999", _CURE_TIME)
        return moment

    return at_us


_CURE_TIME: Final = "set time.format to iso, unix_s, unix_ms, unix_us or a strptime pattern"


def _instant(text: str, form: str) -> int:
    if form == "iso":
        return parse_time(text)
    if form in _UNITS_US:
        exact = Decimal(text) * _UNITS_US[form]
        return int(exact.to_integral_value()) if exact.is_finite() else 1 << 63
    moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone follows on the next line
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def whole(value: Any) -> int:
    """Read a count. Raises `ValueError`."""
    if isinstance(value, bool):
        raise _WrongError("not a whole number")
    number = decimal(value)
    if number != number.to_integral_value() or abs(number) > 1 << 63:
        raise _WrongError("not a whole number")
    return int(number)


def number(value: Any) -> float:
    """Read a number. Raises `ValueError` when it is not finite."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _WrongError("not a number")
    found = float(value)
    if not math.isfinite(found):
        raise _WrongError("not a finite number")
    return found


def decimal(value: Any) -> Decimal:
    """Read an exact number. Raises `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _WrongError("not a number")
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise _WrongError("not a number") from None
    if not found.is_finite():
        raise _WrongError("not a finite number")
    return found


def _loose_number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    return int(text) if text.lstrip("+-").isdecimal() and len(text) < 20 else number(value)


def _boolean(value: Any) -> bool:
    word = text_of(value).strip().lower()
    if word not in YES and word not in NO:
        raise _WrongError("neither yes nor no")
    return word in YES


def _json(value: Any) -> Any:
    return parse_object(b'{"":' + value.encode() + b"}", "")[""] if isinstance(value, str) else value


def json_object(value: Any) -> dict[str, Any]:
    """Read all arguments at once. Raises `ValueError` when it is not a JSON object."""
    found = _json(value)
    if not isinstance(found, dict):
        raise _WrongError("not a JSON object")
    return found


_ARGUMENTS: Final[dict[str, Callable[[Any], Any]]] = {
    "string": text_of,
    "integer": whole,
    "number": _loose_number,
    "boolean": _boolean,
    "json": _json,
    "as_is": lambda value: value,
}


def _converted(row: Row, column: str, field: str, found: Any, convert: Callable[[Any], T]) -> T:
    try:
        return convert(found)
    except (ValueError, RecordingError, json.JSONDecodeError, RecursionError) as error:
        shown = text_of(found)
        shown = shown if len(shown) <= 60 else shown[:59] + "…"
        why = error.message if isinstance(error, RecordingError) else str(error)
        raise row.refuse(
            column, f"{field}: {shown!r} is wrong: {why}", "correct the row or the mapping"
        ) from None


def _is_one_of(column: str, wanted: tuple[Any, ...]) -> Callable[[Row], bool]:
    texts = frozenset("" if value is None else text_of(value) for value in wanted)

    def test(row: Row) -> bool:
        found = row.cell(column)
        return ("" if found is EMPTY else text_of(found)) in texts

    return test


def _template(template: str, default: Any) -> Reader:
    parts = template_columns(template)

    def fill(row: Row) -> Any:
        pieces = []
        for text, column in parts:
            pieces.append(text)
            if column is not None:
                found = row.cell(column)
                if found is EMPTY:
                    return default
                pieces.append(text_of(found))
        return "".join(pieces)

    return fill
