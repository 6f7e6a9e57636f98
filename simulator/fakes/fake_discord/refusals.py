"""How Discord says no: a status, a code, a sentence, and for forms which field and why.

Codes and shapes: Discord's reference, "Opcodes and status codes" and "Error messages".
"""

from collections.abc import Sequence
from typing import Any, Final

Json = dict[str, Any]

INVALID_FORM: Final = 50035
UNKNOWN: Final = {
    "Channel": 10003,
    "Guild": 10004,
    "Member": 10007,
    "Message": 10008,
    "User": 10013,
    "Webhook": 10015,
    "interaction": 10062,
    "application command": 10063,
}


class Refused(Exception):
    """A request the platform does not accept, with the answer it gets."""

    def __init__(self, status: int, code: int, message: str, *, errors: Json | None = None) -> None:
        """Take the status, Discord's code, its sentence, and for a form the faults by field."""
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.errors = status, code, message, errors

    @property
    def body(self) -> Json:
        """The answer's body."""
        body: Json = {"message": self.message, "code": self.code}
        return body | {"errors": self.errors} if self.errors else body


def unknown(what: str) -> Refused:
    """Return the refusal of something that is not there, such as `unknown("Channel")`."""
    return Refused(404, UNKNOWN[what], f"Unknown {what}")


class Form:
    """A request's body while it is checked: all its faults are collected, then refused at once."""

    def __init__(self) -> None:
        """Start without faults."""
        self.errors: Json = {}

    def fault(self, path: Sequence[str | int], code: str, message: str) -> None:
        """Note what is wrong with one field; lists are addressed by index, as Discord does."""
        node = self.errors
        for step in path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def check(self) -> None:
        """Raise `Refused` if anything was wrong."""
        if self.errors:
            raise Refused(400, INVALID_FORM, "Invalid Form Body", errors=self.errors)

    def required(self, path: Sequence[str | int]) -> None:
        """Note a field that is missing."""
        self.fault(path, "BASE_TYPE_REQUIRED", "This field is required")

    def text(
        self,
        value: object,
        path: Sequence[str | int],
        longest: int,
        *,
        shortest: int = 0,
        required: bool = False,
    ) -> int:
        """Check a text's length and return it; characters as Python counts them."""
        if value is None or (required and value == ""):
            if required:
                self.required(path)
            return 0
        if not isinstance(value, str):
            self.fault(path, "STRING_TYPE_CONVERT", f'Could not interpret "{str(value)[:100]}" as string.')
            return 0
        if shortest and not shortest <= len(value) <= longest:
            self.fault(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {shortest} and {longest} in length.")
        elif len(value) > longest:
            self.fault(path, "BASE_TYPE_MAX_LENGTH", f"Must be {longest} or fewer in length.")
        return len(value)

    def one_of(self, value: object, path: Sequence[str | int], choices: Sequence[object]) -> bool:
        """Check that a value is one of some; returns whether it is."""
        if value in choices and not isinstance(value, bool):
            return True
        listed = ", ".join(str(choice) for choice in choices)
        self.fault(path, "BASE_TYPE_CHOICES", f"Value must be one of {{{listed}}}.")
        return False

    def integer(self, value: object, path: Sequence[str | int], lowest: int, highest: int) -> int | None:
        """Check a whole number and return it; `None` for what is none, or is missing."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(path, "NUMBER_TYPE_COERCE", f'Value "{str(value)[:100]}" is not int.')
            return None
        if value < lowest:
            message = f"int value should be greater than or equal to {lowest}."
            self.fault(path, "NUMBER_TYPE_MIN", message)
        elif value > highest:
            message = f"int value should be less than or equal to {highest}."
            self.fault(path, "NUMBER_TYPE_MAX", message)
        return value

    def items(self, value: object, path: Sequence[str | int], most: int, *, fewest: int = 0) -> list[Any]:
        """Check a list's length and return it; an empty one for what is no list."""
        if value is None:
            value = []
        if not isinstance(value, list):
            self.fault(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType.")
            return []
        if not fewest <= len(value) <= most:
            if fewest:
                message = f"Must be between {fewest} and {most} in length."
                self.fault(path, "BASE_TYPE_BAD_LENGTH", message)
            else:
                self.fault(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
        return value

    def table(self, value: object, path: Sequence[str | int]) -> Json:
        """Check that something is an object and return it; an empty one for what is not."""
        if isinstance(value, dict):
            return value
        message = "Only dictionaries may be used in a DictType"
        self.fault(path, "DICT_TYPE_CONVERT", message)
        return {}
