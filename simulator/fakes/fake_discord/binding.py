"""A typed line bound to the options of a command, as Discord's client does before it sends anything."""

import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from simulator.fakes.fake_discord.command_rules import (
    BOOLEAN,
    CHANNEL,
    GROUP,
    INTEGER,
    MENTIONABLE,
    NUMBER,
    STRING,
    SUBCOMMAND,
    USER,
)
from simulator.fakes.fake_discord.refusals import Json
from simulator.fakes.fake_discord.shapes import channel as channel_shape
from simulator.fakes.fake_discord.shapes import member as member_shape
from simulator.fakes.fake_discord.shapes import user as user_shape
from simulator.fakes.fake_discord.world import World

_WORD: Final = re.compile(r"\S+")
_TRUTH: Final = {"true": True, "yes": True, "false": False, "no": False}


class Bound(Struct, kw_only=True):
    """What a line says to a command."""

    options: list[Json]
    """As the interaction carries them: groups and subcommands nested."""
    resolved: Json
    focused: Json | None = None
    """The option the last word is for, while it is still being typed."""
    offered: tuple[str, ...] | None = None
    """What the client offers by itself for the last word; `None` when the bot is to be asked."""


Offered = Callable[[str, str], str | int | float | None]
"""What a name that the bot offered for an option stands for; `None` for what it did not offer."""


def bind(world: World, command: Json, words: str, *, is_typing: bool, offered: Offered) -> Bound:
    """Bind the words after a command's name; `is_typing`: the last word may be unfinished.

    Raises `LookupError` for what the client would not send.
    """
    path: list[Json] = []
    node = command
    while any(one["type"] in (SUBCOMMAND, GROUP) for one in node.get("options") or []):
        word, _, rest = words.lstrip().partition(" ")
        names = [one["name"] for one in node["options"]]
        if is_typing and " " not in words.lstrip():
            fitting = tuple(name for name in names if name.startswith(word))
            return Bound(options=[], resolved={}, offered=fitting)
        found = next((one for one in node["options"] if one["name"] == word), None)
        if found is None:
            raise LookupError(f"/{command['name']} takes one of {', '.join(names)}, not {word or 'nothing'}")
        path.append(found)
        node, words = found, rest
    bound = _Leaf(world, node.get("options") or [], words, is_typing=is_typing, offered=offered).bind()
    for level in reversed(path):
        bound.options = [{"name": level["name"], "type": level["type"], "options": bound.options}]
    return bound


class _Leaf:
    """One command or subcommand that takes values."""

    def __init__(
        self, world: World, options: list[Json], text: str, *, is_typing: bool, offered: Offered
    ) -> None:
        self.world, self.options, self.is_typing, self.offered = world, options, is_typing, offered
        self.text = text
        self.values: dict[str, Any] = {}
        self.resolved: Json = {}
        self.focused: Json | None = None

    def bind(self) -> Bound:
        """Give every word to an option."""
        positional, named = self._parts()
        for name, value in named:
            option = next(one for one in self.options if one["name"] == name)
            self._take(option, value, is_last=(name, value) == named[-1])
        taken = {name for name, _ in named}
        self._in_order([one for one in self.options if one["name"] not in taken], positional, last=not named)
        if not self.is_typing:
            missing = [o["name"] for o in self.options if o.get("required") and o["name"] not in self.values]
            if missing:
                raise LookupError(f"the command needs {', '.join(missing)}")
        options: list[Json] = []
        for one in self.options:
            if one["name"] in self.values:
                bound: Json = {"name": one["name"], "type": one["type"], "value": self.values[one["name"]]}
                options.append(bound | {"focused": True} if one is self.focused else bound)
        return Bound(
            options=options,
            resolved=self.resolved,
            focused=self.focused,
            offered=self._offered_by_the_client(),
        )

    def _parts(self) -> tuple[str, list[tuple[str, str]]]:
        """Split `a b reason:because x` into the words in order and the values by name."""
        names = "|".join(re.escape(one["name"]) for one in self.options)
        pieces = re.split(rf"(?:^|(?<=\s))({names}):", self.text) if names else [self.text]
        named = [(pieces[i], pieces[i + 1].strip()) for i in range(1, len(pieces) - 1, 2)]
        return pieces[0], named

    def _in_order(self, options: list[Json], text: str, *, last: bool) -> None:
        words = [found.span() for found in _WORD.finditer(text)]
        if self.is_typing and last and (not text or text[-1].isspace()):
            words.append((len(text), len(text)))
        strings = [one for one in options if one["type"] == STRING]
        at = 0
        for index, option in enumerate(options):
            if at >= len(words):
                break
            end = at + 1
            if strings and option is strings[-1]:
                # All that is left, but for what options after it cannot do without.
                end = max(end, len(words) - sum(bool(one.get("required")) for one in options[index + 1 :]))
            value = text[words[at][0] : words[end - 1][1]]
            try:
                self._take(option, value, is_last=last and end == len(words))
            except LookupError:
                if option.get("required"):
                    raise
                continue
            at = end
        if at < len(words) and words[at][0] != words[at][1]:
            raise LookupError(f"no option of the command takes {text[words[at][0] :].strip()!r}")

    def _take(self, option: Json, value: str, *, is_last: bool) -> None:
        if is_last and self.is_typing:
            self.focused, self.values[option["name"]] = option, value
            return
        self.values[option["name"]] = self._converted(option, value)

    def _converted(self, option: Json, word: str) -> Any:
        if option.get("choices"):
            return self._chosen(option, word)
        if (picked := self.offered(option["name"], word)) is not None:
            return picked
        convert = {
            STRING: self._fitting,
            INTEGER: self._number,
            NUMBER: self._number,
            BOOLEAN: self._truth,
            USER: self._somebody,
            MENTIONABLE: self._somebody,
            CHANNEL: self._place,
        }.get(option["type"])
        if convert is None:
            raise LookupError(f"{option['name']} is of a kind that cannot be typed here: {option['type']}")
        return convert(option, word)

    @staticmethod
    def _chosen(option: Json, word: str) -> Any:
        for choice in option["choices"]:
            if word in (choice["name"], str(choice["value"])):
                return choice["value"]
        names = ", ".join(one["name"] for one in option["choices"])
        raise LookupError(f"{option['name']} is one of {names}, not {word!r}")

    @staticmethod
    def _truth(option: Json, word: str) -> bool:
        if word.lower() not in _TRUTH:
            raise LookupError(f"{option['name']} is True or False, not {word!r}")
        return _TRUTH[word.lower()]

    def _somebody(self, _option: Json, word: str) -> str:
        account = self.world.person(re.sub(r"^<@!?(\d+)>$", r"\1", word).removeprefix("@")).account
        self.resolved.setdefault("users", {})[account] = user_shape(self.world, account)
        member = member_shape(self.world, account, with_user=False)
        permissions = str(self.world.people[account].permissions)
        self.resolved.setdefault("members", {})[account] = member | {"permissions": permissions}
        return account

    def _place(self, _option: Json, word: str) -> str:
        place = self.world.place(re.sub(r"^<#(\d+)>$", r"\1", word))
        shape = channel_shape(self.world, place) | {"permissions": "0"}
        self.resolved.setdefault("channels", {})[place.id] = shape
        return place.id

    @staticmethod
    def _fitting(option: Json, word: str) -> str:
        shortest, longest = option.get("min_length") or 0, option.get("max_length") or 6000
        if not shortest <= len(word) <= longest:
            raise LookupError(f"{option['name']} is {shortest} to {longest} characters long, not {len(word)}")
        return word

    @staticmethod
    def _number(option: Json, word: str) -> int | float:
        name = option["name"]
        try:
            value = int(word) if option["type"] == INTEGER else float(word)
        except ValueError:
            raise LookupError(f"{name} is a number, not {word!r}") from None
        lowest, highest = option.get("min_value"), option.get("max_value")
        if (lowest is not None and value < lowest) or (highest is not None and value > highest):
            raise LookupError(f"{name} is between {lowest} and {highest}, not {word}")
        return value

    def _offered_by_the_client(self) -> tuple[str, ...] | None:
        """Return what needs no bot to offer; `None` when the bot is to be asked."""
        option = self.focused
        if option is None:
            return ()
        if option.get("autocomplete"):
            return None
        word = str(self.values[option["name"]]).lower()
        names = [one["name"] for one in option.get("choices") or []]
        if option["type"] == BOOLEAN:
            names = ["True", "False"]
        return tuple(name for name in names if word in name.lower())
