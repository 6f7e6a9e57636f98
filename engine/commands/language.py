"""The command language: how a line of words becomes a typed command, and a command a line again.

One line is a command's words, then its arguments in order. The last argument takes all that is left where it
is prose; any argument can be given by its name instead, `reason="disk is full"`. The slash in front may be
left out.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, Self

from msgspec import Struct, structs
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from engine.commands.model import LINE_MOST, Tone
from engine.core.vocabulary.people_facts import Role
from engine.errors import InputError

_NAMED: Final = re.compile(r"([a-z_]+)=")
_QUOTES: Final = {'"': '"', "“": "”", "'": "'"}


def argument(
    description: str, default: Any = ..., *, complete: str = "", rest: bool = False, **limits: Any
) -> Any:
    """Describe one argument. `complete` names what can be offered for it; `rest` takes all that is left."""
    extra: dict[str, Any] = {"complete": complete, "rest": rest}
    if default is ...:
        return Field(description=description, json_schema_extra=extra, **limits)
    return Field(default, description=description, json_schema_extra=extra, **limits)


class Command(BaseModel):
    """One thing people can say. A subclass names its words, who may say it, and its arguments in order."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    words: ClassVar[str]
    """What it is called, such as `canary promote`."""
    role: ClassVar[Role]
    """The least role that may say it."""
    changes: ClassVar[bool] = False
    """Whether it changes anything: then it is journaled before it is done, and done once."""
    asks_first: ClassVar[bool] = False
    """Whether it asks for confirmation, showing what exactly will happen."""
    listed: ClassVar[bool] = True
    """Whether help and menus show it."""
    tone: ClassVar[Tone] = "plain"
    said_as: ClassVar[tuple[str, str]] = ("", "")
    """Another command's words, and a word behind its first argument, that mean this one too."""
    lenient: ClassVar[bool] = False
    """Whether it is taken however long it is."""

    @classmethod
    def summary(cls) -> str:
        """Return the first line of its description."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    @classmethod
    def arguments(cls) -> "list[Argument]":
        """Return its arguments in order."""
        return [Argument(name, info) for name, info in cls.model_fields.items()]

    @classmethod
    def usage(cls) -> str:
        """Write how it is said.

        >>> from engine.commands.catalogue import Override
        >>> Override.usage()
        '/captain-override <decision_id> veto|allow [reason…]'
        """
        return " ".join([f"/{cls.words}", *(each.usage() for each in cls.arguments())])

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the arguments from what stands behind the words. Raises `InputError`."""
        return cls.build(_values(cls, text))

    @classmethod
    def build(cls, values: Mapping[str, Any]) -> Self:
        """Make it from named values, as a platform with options gives them. Raises `InputError`."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as wrong:
            raise InputError(_what_is_wrong(cls, wrong), cure=f"say {cls.usage()}") from None

    def line(self) -> str:
        """Write it as somebody would type it; what it need not say is left out.

        >>> from engine.commands.catalogue import Resume
        >>> Resume(scope="agent:coder-1", reason="disk is back").line()
        'resume-autonomous agent:coder-1 disk is back'
        """
        parts, given = [self.words], list(self.arguments())
        while given and getattr(self, given[-1].name) == given[-1].default:
            given.pop()
        for each in given:
            value = str(getattr(self, each.name))
            parts.append(value if each.rest else quoted(value))
        return " ".join(parts)


class Given(Struct, frozen=True, kw_only=True):
    """A command as options, modals and forms give it: not read yet, so it may be wrong."""

    kind: type[Command]
    values: Mapping[str, Any]

    def mended(self) -> Self:
        """Return it without half letters."""
        whole = {name: mended(each) if isinstance(each, str) else each for name, each in self.values.items()}
        return structs.replace(self, values=whole)

    def line(self) -> str:
        """Write it for whoever looks it up later; it need not be readable as a command."""
        return " ".join(
            [self.kind.words, *(f"{name}={quoted(str(each))}" for name, each in self.values.items())]
        )


def mended(text: str) -> str:
    """Put a sign in the place of half a letter: some clients cut a text in the middle of an emoji.

    No such text can be written down or searched, and whoever types it must be heard all the same.

    >>> mended(f"stop {chr(0xD83D)} now")
    'stop \ufffd now'
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Argument:
    """One argument of a command, as help, menus and completion need it."""

    def __init__(self, name: str, info: FieldInfo) -> None:
        """Take it from the command's model."""
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        self.name, self.info = name, info
        self.description = info.description or ""
        self.complete, self.rest = str(extra.get("complete", "")), bool(extra.get("rest"))
        self.required = info.is_required()
        self.default = None if self.required else info.default
        self.choices = tuple(getattr(info.annotation, "__args__", ()))
        """What it must be one of; empty where it may be anything."""
        kind = info.annotation
        self.kind: type = kind if isinstance(kind, type) and kind in {int, float, bool} else str

    def usage(self) -> str:
        """Write it as usage lines do."""
        shown = "|".join(self.choices) if self.choices else self.name + ("…" if self.rest else "")
        if not self.required:
            return f"[{shown}]"
        return shown if self.choices else f"<{shown}>"


class Language:
    """All commands there are."""

    def __init__(self, commands: Iterable[type[Command]]) -> None:
        """Take the commands, in the order in which help shows them."""
        self.commands = tuple(commands)
        self.by_words = {each.words: each for each in self.commands}

    def parse(self, line: str) -> Command:
        """Read a line. Raises `InputError` that names the cure."""
        text = " ".join(mended(line[: LINE_MOST + 1]).split("\n")).strip().removeprefix("/").strip()
        kind, rest = self.find(text)
        if len(line) > LINE_MOST and not kind.lenient:
            raise InputError(f"that is {len(line):,} letters", cure=f"say it in {LINE_MOST:,} at most")
        return kind.read(rest)

    def find(self, text: str) -> tuple[type[Command], str]:
        """Find the command a line begins with; return it and what is left. Raises `InputError`."""
        words = text.split(maxsplit=2)
        if not words:
            raise InputError("nothing was said", cure="/help shows what can be")
        first, second = words[0].casefold(), words[1].casefold() if len(words) > 1 else ""
        if (kind := self.by_words.get(f"{first} {second}")) is not None:
            return kind, words[2] if len(words) > 2 else ""
        if (kind := self.by_words.get(first)) is not None:
            return self._meant(kind, text[len(words[0]) :].strip())
        within = [each.words for each in self.listed() if each.words.startswith(f"{first} ")]
        shows = self.by_words.get(f"{first} show")
        if shows is not None and not second:
            return shows, ""
        if within:
            known = ", ".join(f"/{each}" for each in within)
            said = f"/{first} {second}" if second else f"/{first}"
            raise InputError(f"{said} is not all of a command", cure=f"say one of {known}")
        near = difflib.get_close_matches(first, {each.words.split()[0] for each in self.listed()}, n=1)
        cure = f"did you mean /{near[0]}? /help shows all" if near else "/help shows what there is"
        raise InputError(f"there is no command /{first}", cure=cure)

    def _meant(self, kind: type[Command], rest: str) -> tuple[type[Command], str]:
        about, word, left = [*rest.split(maxsplit=2), "", "", ""][:3]
        for other in self.commands:
            if other.said_as == (kind.words, word.casefold()):
                return other, f"{about} {left}"
        return kind, rest

    def asked(self, line: str, reason: str) -> Given:
        """Put a reason that was asked for apart behind a line: as its last argument, whatever stands in it.

        >>> from engine.commands.catalogue import LANGUAGE
        >>> LANGUAGE.asked("canary pause heal", 'the "disk" is full').values["reason"]
        'the "disk" is full'
        """
        kind, rest = self.find(line)
        last = kind.arguments()[-1].name
        return Given(kind=kind, values={**_values(kind, rest), last: reason})

    def missing(self, line: str) -> Given | None:
        """Return what was given of a command that lacks something it needs.

        `None` when nothing is missing, or the line is wrong in some other way.
        """
        try:
            kind, rest = self.find(mended(line).strip().removeprefix("/"))
            values = _values(kind, rest)
        except InputError:
            return None
        lacks = any(each.required and each.name not in values for each in kind.arguments())
        return Given(kind=kind, values=values) if lacks else None

    def listed(self) -> list[type[Command]]:
        """Return the commands that help and menus show."""
        return [each for each in self.commands if each.listed]

    def pending(self, line: str) -> tuple[type[Command] | None, "Argument | None", str]:
        """Say what is being typed: the command, the argument, and what stands of it. For completion."""
        text = line.strip("\n").lstrip().removeprefix("/")
        try:
            kind, rest = self.find(text)
        except InputError:
            return None, None, text
        if text == kind.words:
            return None, None, text
        tokens = rest.split(" ") if rest or text.endswith(" ") else [""]
        tokens = [*tokens, ""] if text.endswith(" ") and tokens[-1] else tokens
        wanted = kind.arguments()
        place = min(len(tokens), len(wanted)) - 1
        if place < 0 or (len(tokens) > len(wanted) and not wanted[place].rest):
            return kind, None, ""
        return kind, wanted[place], tokens[-1]


def _values(kind: type[Command], text: str) -> dict[str, str]:
    """Bind what stands behind a command's words to its arguments."""
    names = {each.name: each for each in kind.arguments()}
    values: dict[str, str] = {}
    left = text.strip()
    while left:
        named = _NAMED.match(left)
        if named is not None and named[1] in names and named[1] not in values:
            each, left = names[named[1]], left[named.end() :]
            value, left = _token(left)
        else:
            free = [one for one in names.values() if one.name not in values]
            if not free:
                raise InputError(f"{left!r} is more than it takes", cure=f"say {kind.usage()}")
            each = free[0]
            value, left = (left, "") if each.rest and left[0] not in _QUOTES else _token(left)
        values[each.name] = value
    return values


def _token(text: str) -> tuple[str, str]:
    """Take one word, or what stands in quotes; return it and what is left."""
    end = _QUOTES.get(text[:1])
    if end is not None:
        value, closed, left = text[1:].partition(end)
        if not closed:
            raise InputError("a quote is never closed", cure=f"put {end} at its end")
        return value, left.strip()
    value, _, left = text.partition(" ")
    return value, left.strip()


def quoted(value: str) -> str:
    """Write one word as a line takes it: in quotes where it would be read as several, or as none."""
    return value if value and " " not in value and value[0] not in _QUOTES else f'"{value}"'


def _what_is_wrong(kind: type[Command], wrong: ValidationError) -> str:
    said = []
    for error in wrong.errors():
        name = str(error["loc"][0]) if error["loc"] else ""
        if error["type"] == "missing":
            said.append(f"it needs {name}: {_described(kind, name)}")
        elif error["type"] == "extra_forbidden":
            said.append(f"it takes no {name}")
        else:
            message = str(error["msg"]).removeprefix("Value error, ")
            said.append(f"{name}: {message[:1].lower()}{message[1:]}")
    return "; ".join(said)


def _described(kind: type[Command], name: str) -> str:
    described = kind.model_fields[name].description or name
    return described[:1].lower() + described[1:]
