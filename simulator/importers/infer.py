"""A registry for a recorded system that left none: learnt from the shape of its calls, never from outcomes.

Only structure is looked at: names of actions and arguments, which arguments come along, and of which types
they are. Neither labels nor the wording of any text has a part in it. The thresholds below are the
documentation.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from engine.core.vocabulary.actions import Action, Kind, Parameter, ParameterType, RiskLevel
from engine.core.vocabulary.ids import ActionName

READING_VERBS: Final = frozenset(
    """browse calculate check compare compute count describe diff download examine explain fetch filter find
    get grep has head inspect is list load locate lookup look ls measure monitor peek ping preview query
    read retrieve scan search select show stat status summarize tail validate verify view watch""".split()
)
"""An action whose first word is one of these only reads."""

GRAVE_WORDS: Final = frozenset(
    """ban buy cancel credential credentials deactivate delete destroy drop erase kick kill money overwrite
    password passwords pay payment payments payout permission permissions privilege privileges purchase purge
    refund remove revoke secret secrets sell shutdown terminate transaction transactions transfer truncate
    uninstall wipe wire withdraw""".split()
)
"""A writing action with one of these words in its name is HIGH: it takes away, or moves money or access."""

REQUIRED_SHARE: Final = 0.98
"""An argument that is present in this share of the calls is required."""
KNOWN_SHARE: Final = 0.01
"""An argument present in less than this share is a slip of the caller's, and no part of the action."""
TYPE_SHARE: Final = 0.90
"""An argument whose values agree on a type to this share has that type; otherwise it may be anything."""
NULL_SHARE: Final = 0.01
"""An optional argument that is an explicit null this often is nullable: null is how it is left out."""
NULL_SHARE_REQUIRED: Final = 0.10
"""A required argument must be null ten times as often, for there a null is more likely a mistake."""
PATTERN_SHARE: Final = 0.99
"""Values that look like e-mail addresses or URLs to this share are held to it, when there are enough:"""
PATTERN_COUNT: Final = 20
ENOUGH_CALLS: Final = 5
"""With this many calls the recorded system did not refuse, only those are looked at."""
_MOST_ARGUMENTS: Final = 200

_EMAIL: Final = re.compile(r"[\w.%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_URL: Final = re.compile(r"https?://\S+", re.ASCII)
_TYPES: Final[dict[type, ParameterType]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "object",
}


class _Argument:
    __slots__ = ("emails", "items", "nulls", "present", "types", "urls")

    def __init__(self) -> None:
        self.present = self.nulls = self.emails = self.urls = 0
        self.types: Counter[ParameterType] = Counter()
        self.items: Counter[ParameterType] = Counter()

    def see(self, value: Any) -> None:
        self.present += 1
        if value is None:
            self.nulls += 1
            return
        self.types[_TYPES.get(type(value), "any")] += 1
        if isinstance(value, str):
            self.emails += _EMAIL.fullmatch(value) is not None
            self.urls += _URL.fullmatch(value) is not None
        elif isinstance(value, list):
            self.items.update(_TYPES.get(type(item), "any") for item in value)

    def parameter(self, name: str, calls: int) -> Parameter:
        required = self.present >= REQUIRED_SHARE * calls
        kind = _agreed(self.types)
        if kind == "string":
            kind = self._kind_of_text(name)
        items = _agreed(self.items) if kind == "list" else "any"
        return Parameter(
            type=kind,
            required=required,
            nullable=self.nulls > 0
            and self.nulls >= (NULL_SHARE_REQUIRED if required else NULL_SHARE) * self.present,
            items=None if items == "any" else items,
        )

    def _kind_of_text(self, name: str) -> ParameterType:
        texts = self.types["string"]
        if texts >= PATTERN_COUNT:
            if self.emails >= PATTERN_SHARE * texts:
                return "email"
            if self.urls >= PATTERN_SHARE * texts:
                return "url"
        named = words(name)
        if "path" in named or "paths" in named:
            return "path"
        return "command" if named and named[-1] in {"command", "cmd"} else "string"


class _Calls:
    """What the calls of one action had in common."""

    __slots__ = ("arguments", "count")

    def __init__(self) -> None:
        self.count = 0
        self.arguments: dict[str, _Argument] = {}

    def see(self, args: Mapping[str, Any]) -> None:
        self.count += 1
        for name, value in args.items():
            argument = self.arguments.get(name)
            if argument is None:
                # A caller that makes up names without end must not fill the memory.
                if len(self.arguments) >= _MOST_ARGUMENTS:
                    continue
                argument = self.arguments[name] = _Argument()
            argument.see(value)

    def parameters(self) -> dict[str, Parameter]:
        return {
            name: argument.parameter(name, self.count)
            for name, argument in sorted(self.arguments.items())
            if argument.present >= KNOWN_SHARE * self.count
        }


class RegistryLearner:
    """Looks at every call once, then writes the registry.

    Memory grows with the number of different actions, not of calls.
    """

    def __init__(self) -> None:
        """Start knowing nothing."""
        self._accepted: dict[str, _Calls] = {}
        self._refused: dict[str, _Calls] = {}

    def see(self, action: str, args: Mapping[str, Any], *, refused: bool = False) -> None:
        """Look at one call. `refused`: the recorded system answered it with an error."""
        calls = self._refused if refused else self._accepted
        calls.setdefault(action, _Calls()).see(args)

    def actions(self) -> tuple[Action, ...]:
        """Write the registry, sorted by name.

        A call that was answered with an error may have been malformed, so it teaches only where an action has
        hardly any other calls.
        """
        found = []
        for name in sorted(self._accepted.keys() | self._refused.keys()):
            calls = self._accepted.get(name, _Calls())
            if calls.count < ENOUGH_CALLS and name in self._refused:
                refused = self._refused[name]
                calls = refused if refused.count > calls.count else calls
            kind, risk = kind_and_risk(name)
            found.append(
                Action(
                    name=ActionName(name),
                    kind=kind,
                    risk=risk,
                    parameters=calls.parameters(),
                    summary=f"inferred from {calls.count} recorded calls",
                )
            )
        return tuple(found)


def words(name: str) -> list[str]:
    """Split a name into its words, in lower case.

    >>> words("get_unread_emails"), words("sendMoney"), words("HTTPGet-all")
    (['get', 'unread', 'emails'], ['send', 'money'], ['http', 'get', 'all'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def kind_and_risk(name: str) -> tuple[Kind, RiskLevel]:
    """Guess from an action's name whether it only reads, and how bad a mistake would be.

    >>> [kind_and_risk(name)[1].value for name in ("search_emails", "send_email", "send_money")]
    ['SAFE', 'MEDIUM', 'HIGH']
    """
    named = words(name)
    if named and named[0] in READING_VERBS:
        return "read", RiskLevel.SAFE
    return "write", RiskLevel.HIGH if GRAVE_WORDS.intersection(named) else RiskLevel.MEDIUM


def _agreed(types: Counter[ParameterType]) -> ParameterType:
    counted = Counter(types)
    if counted["number"]:
        # 3 and 3.0 are one number to whoever calls.
        counted["number"] += counted.pop("integer", 0)
    total = counted.total()
    if not total:
        return "any"
    kind, count = max(sorted(counted.items()), key=lambda item: item[1])
    return kind if count >= TYPE_SHARE * total else "any"
