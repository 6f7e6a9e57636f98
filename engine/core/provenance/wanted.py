"""Wanted: the values among a proposal's arguments that say whom or what it would reach.

E-mail addresses, account numbers, web addresses and telephone numbers count wherever they stand. Beside them
every short argument counts whole (a user, a channel, a path, an id), unless its name says that it is for
reading (`subject`, `body`), a time, an amount, or a setting.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from msgspec import Struct

from engine.core.provenance.spelling import decoded, folded, mark, quoted_in, unmasked, words_of
from engine.core.vocabulary.actions import Action

# Every repetition is bounded, so the time is linear in the text, whatever a stranger wrote into it. An
# address is taken whole: who vouched for ann@example.com did not vouch for ann@example.com.évil.org, nor for
# "ann@example.com"@evil.org. A name of a host has at most 127 labels of 63 letters.
_ADDRESS: Final = r"(?a:[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4})"
# Only where a word begins is it worth trying: that keeps a long page from being read sixty-four times.
_TARGET: Final = re.compile(
    r"(?<![A-Za-z0-9_.+-])" + _ADDRESS + r"(?:\w{0,63}(?:[.-]|\"?@)\w{1,63}){0,126}"
    r"|(?a:\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b)"
    r"|(?:https?://|www\.)[^\s\"'<>()\[\]{}]{1,2000}"
)
_BEGINNING: Final = re.compile(_ADDRESS)
_GROUPED: Final = re.compile(
    r"(?a:\b[A-Z]{2}\d{2}(?:[ -][A-Z0-9]{2,6}){3,9}\b)|(?a:(?<![\w.@/-])\+?\d[\d ()./-]{7,20}\d(?!\w))"
)
"""Account and telephone numbers as people write them."""
_DATE: Final = re.compile(r"(?a:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})(?:[T ].{0,40})?")

FOR_READING: Final = frozenset(
    """about amount body caption city comment comments content contents cost count country currency date day
    description detail details duration end explanation format kind label labels language limit location
    message messages mode month msg n name note notes offset order page percent permission permissions place
    price priority prompt quantity query rating reason recurring role rationale size sort start state status
    subject summary tag tags text time timezone title topic type unit units when year""".split()
)
"""An argument with one of these words in its name is no address, account, path or id: what is said, when, or
how much."""
_NUMBERED: Final = frozenset("account code id ids iban key no number phone pin port".split())
"""An argument that is a number identifies only with one of these words in its name."""
_LONGEST: Final = 300
"""A longer argument is for reading, whatever it is called."""
_NUMBER: Final = 9
"""Fewer digits in groups are more likely a date, or an amount."""
_SHORT: Final = 4
_JOINED: Final = 6
_NOT_NAMES: Final = frozenset({"a", "an", "by", "from", "in", "new", "of", "on", "the", "to"})
_KEY: Final = "label"
"""What the key of an object is called: it says what something is, so only addresses and accounts count."""
_PRECISE_TYPES: Final = frozenset({"email", "url", "path"})


class Form(Struct, frozen=True):
    """One way to read a value: the marks by which a text names it."""

    exact: int
    parts: tuple[int, ...]
    """All of them together name it; empty where it is too short for that."""
    beside: tuple[int, ...]
    """Each of them alone names it: in quotation marks, or beside what the argument is called."""
    joined: str
    """Without anything between its words; empty where a text may not name it in pieces."""


class Target(Struct, frozen=True):
    """One identifying value of a proposal."""

    name: str
    """What the argument is called."""
    text: str
    precise: bool
    """Whether its shape says what it is: an e-mail address, an account, a web address."""
    forms: tuple[Form, ...]
    vouched: tuple[tuple[int, ...], ...]
    """A person who used all marks of one of these has named it."""


@lru_cache(maxsize=1024)
def targets_in(text: str) -> frozenset[str]:
    """Find the addresses, accounts and web addresses a text names, in one spelling each.

    >>> sorted(targets_in("Pay GB29NWBK60161331926819, ask Ann@Example.com. See www.x.org/a."))
    ['ann@example.com', 'gb29nwbk60161331926819', 'www.x.org/a']
    """
    return frozenset([match.rstrip(".,;:!?").lower() for match in _TARGET.findall(text)])


@lru_cache(maxsize=1024)
def named_in(text: str) -> frozenset[str]:
    """Find the same and, where an address runs on into what follows it, its beginning as well.

    A tool that writes eve@evil.org谢谢.x has named eve@evil.org too.
    """
    targets = targets_in(text)
    beginnings = [begin[0] for target in targets if (begin := _BEGINNING.match(target))]
    return targets.union(beginnings)


def addresses_of(texts: list[str]) -> frozenset[str]:
    """Find the addresses and accounts in the texts among a proposal's arguments."""
    found: frozenset[str] = _NONE
    for text in texts:
        # Looking for a letter is faster than looking for a target: an IBAN has fourteen signs or more, two of
        # them capitals.
        if (
            "@" in text
            or "://" in text
            or "www." in text
            or (len(text) >= _IBAN_LENGTH and not text.islower())
        ):
            found |= named_in(text)
    return found


_NONE: Final[frozenset[str]] = frozenset()
_IBAN_LENGTH: Final = 14


def grouped_in(text: str) -> list[str]:
    """Find numbers written in groups, without what parts them: `GB29 NWBK 6016 1331`, `+49 30 1234567`."""
    found = [match.strip() for match in _GROUPED.findall(text)]
    numbers = ["".join(words_of(match)) for match in found if not _DATE.fullmatch(match)]
    return [number for number in numbers if len(number) >= _NUMBER]


def targets_of(action: Action | None, args: dict[str, Any]) -> tuple[Target, ...]:
    """Find the identifying values among arguments, each once, in order."""
    found: dict[tuple[str, str], Target] = {}
    for argument, value in args.items():
        told = None if action is None else action.parameters.get(argument)
        for name, leaf in _leaves(argument, value):
            kind = type(leaf)
            if kind is str:
                whole = told is not None and _PRECISE_TYPES & {told.type, told.items}
                for target in _in_text(name, leaf, bool(whole)):
                    found.setdefault(("", target.text) if target.precise else (name, target.text), target)
            elif (kind is int or kind is float) and _NUMBERED & _named(name) and leaf == leaf // 1:
                target = _target(name, str(int(leaf)), precise=False)
                found.setdefault((name, target.text), target)
    return tuple(found.values())


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what lies inside a value, keys of objects too, in order, and what each is called."""
    waiting = [(name, value)]
    while waiting:
        name, item = waiting.pop()
        kind = type(item)
        if kind is list:
            waiting.extend([(name, inner) for inner in reversed(item)])
        elif kind is dict:
            for key, inner in reversed(item.items()):
                waiting += ((key, inner), (_KEY, key))
        elif kind is not bool and item is not None:
            yield name, item


# Agents pass the same arguments again and again.
@lru_cache(maxsize=4096)
def _in_text(name: str, text: str, whole: bool) -> tuple[Target, ...]:  # noqa: FBT001 - the cache looks answers up by these
    plain = unmasked(text)
    precise = sorted(named_in(plain))
    loose = [each for each in grouped_in(plain) if each not in precise]
    short = len(plain) <= _LONGEST and "\n" not in plain
    for_reading = not whole and bool(FOR_READING & _named(name))
    if not (precise or loose) and short and not for_reading and not _DATE.fullmatch(plain.strip()):
        return (_target(name, plain.strip(), precise=False),) if words_of(plain) else ()
    if for_reading or not short:
        loose += [each for words in decoded(plain) for each in sorted(targets_in(words))]
    return (
        *[_target(name, _as_written(plain, each), precise=True) for each in precise],
        *[_target(name, each, precise=False, address=True) for each in dict.fromkeys(loose)],
    )


def _as_written(text: str, target: str) -> str:
    begin = text.lower().find(target)
    written = text[begin : begin + len(target)]
    return written if written.lower() == target else target


@lru_cache(maxsize=4096)
def _target(name: str, text: str, *, precise: bool, address: bool = False) -> Target:
    names = _named(name) - _NOT_NAMES
    inner = decoded(text)
    inner += [deeper for each in inner for deeper in decoded(each)]
    forms = [_form(text, names), *[_form(unmasked(each), names) for each in inner]]
    return Target(name, text, precise, tuple(forms), _vouching(text, names, address=precise or address))


def _form(text: str, names: frozenset[str]) -> Form:
    words = words_of(text)
    joined = "".join(words)
    exact = mark("=" + text.lower())
    if len(words) == 1 and (len(joined) <= _SHORT or joined.isalpha()):
        # A small number or an everyday word stands in many a text; it is named where that says what it is.
        return Form(exact, (), _beside(joined, names), "")
    parts = [mark(word) for word in words]
    parts += [mark(f"{one} {other}") for one, other in pairwise(words)]
    return Form(exact, tuple(parts), (), joined if len(joined) >= _JOINED else "")


def _beside(word: str, names: frozenset[str]) -> tuple[int, ...]:
    both = _both_ways(word, names)
    return tuple([mark(each) for each in ["'" + word, *both, *["+" + each for each in both]]])


def _both_ways(word: str, names: frozenset[str]) -> list[str]:
    singular = sorted(names | {name.removesuffix("s") for name in names})
    return [f"{name} {word}" for name in singular] + [f"{word} {name}" for name in singular]


def _vouching(text: str, names: frozenset[str], *, address: bool) -> tuple[tuple[int, ...], ...]:
    if address:
        return ((address_mark(text),),)
    if text.isdecimal() and len(text) <= _SHORT:
        # On the 13th nobody has named file 13.
        return tuple([(mark("~" + each),) for each in ["'" + text, *_both_ways(text, names)]])
    return (tuple([mark("~" + step) for step in steps_of(text)]),)


def is_named(target: Target, person: set[int]) -> bool:
    """Whether the person has named a value, from the marks of what they said."""
    return any(person.issuperset(marks) for marks in target.vouched)


def refers(asked: str, person: set[int]) -> bool:
    """Whether the person has named what a tool was asked for: a file, a sender, a title of two words or more.

    An everyday word counts only in quotation marks: a search for `bill` finds what strangers call a bill.
    """
    for line in asked.split("\n"):
        words = words_of(line)
        if len("".join(words)) < _SHORT:
            continue
        if len(words) == 1 and words[0].isalpha():
            if mark("~'" + words[0]) in person:
                return True
        elif any(is_named(target, person) for target in _in_text("", line, True)):
            return True
    return False


@lru_cache(maxsize=1024)
def addresses_told(text: str) -> frozenset[int]:
    """Return the marks of the addresses and numbers a person names."""
    text = folded(text)
    return frozenset([address_mark(each) for each in (*targets_in(text), *grouped_in(text))])


def vouched_in(text: str) -> set[int]:
    """Return the marks of what a person names: strictly, for who names ann@x.org names no ann-x.org."""
    found = set(addresses_told(text))
    text = folded(text)
    found |= {mark("~" + step) for step in steps_of(text)}
    found |= {mark("~" + word) for word in quoted_in(text)}
    return found


def steps_of(text: str) -> list[str]:
    """Return the words of a text as written, without the punctuation around them, and each two in a row."""
    words = [bare for word in folded(text).casefold().split() if (bare := word.strip(_EDGES))]
    return words + [f"{one} {other}" for one, other in pairwise(words)]


_EDGES: Final = ".,;:!?\"'`()[]{}<>*“”«»\u2018\u2019"


def address_mark(target: str) -> int:
    """Return by which mark a person names an address. `http://` and a last slash lead nowhere else."""
    return mark("=" + re.sub(r"^https?://", "", target.lower()).rstrip("/"))


@lru_cache(maxsize=4096)
def _named(name: str) -> frozenset[str]:
    """Split the name of an argument into its words.

    >>> sorted(_named("fileId")), sorted(_named("user_email"))
    (['file', 'id'], ['email', 'user'])
    """
    return frozenset([word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)])
