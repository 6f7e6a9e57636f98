"""The scrubber: every text on its way into the journal passes here, and leaves what must not be kept behind.

What a text is follows from where it stands in a fact. Ids and names stay as they are, or the fact is refused:
a name with something taken out would be another name. All other text is looked through, keys of objects and
numbers too, by itself, under its key, and joined to its neighbours, as secrets are split over lists. Where
looking fails, a proposal is refused, and of every other fact the text is withheld: nothing unseen is kept.
"""

import logging
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeVar, get_args, get_type_hints

import re2
from msgspec import UNSET, Struct, structs

from engine.adapters.leaks import Hit, Scanner, cut
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.escalation_facts import EscalationFact
from engine.core.vocabulary.fact import Fact
from engine.core.vocabulary.facts import (
    EffectEnded,
    EffectEndTold,
    EffectStarted,
    KillSwitchCleared,
    KillSwitchSet,
    MessageObserved,
    OutcomeReported,
    ProcessEnded,
    ProposalReceived,
    TroubleFound,
    TroubleGone,
)
from engine.core.vocabulary.privacy import Found, PrivacySettings, Spot
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.scopes import Scope
from engine.errors import InputError, WatchkeeperError

_log = logging.getLogger(__name__)

LONG: Final = 16 << 10
"""Signs from which on looking takes longer than the engine may be away: about 2 ms."""
LONGEST: Final = 4 << 20
"""Signs past which nobody looks."""
_MOST_FOUND: Final = 20
_LONGEST_PLACE: Final = 120
_MOST_SPLIT: Final = 8
_LONGEST_SPLIT: Final = 256
"""A secret in more pieces than that, or longer ones, is somebody's puzzle: values, and bytes of each."""
_BEHIND_KEY: Final = "[redacted: secret]"
_UNSEEN: Final = "[withheld: it could not be searched for secrets]"
_FROM_LONG: Final = 10**11
"""Shorter numbers are nobody's card or account."""

_OUTPUTS: Final = (Result, OutcomeReported, TroubleFound, TroubleGone, ProcessEnded)
_NAMES: Final = frozenset({
    "by", "series", "worker", "schedule", "process", "trouble", "snapshot_id", "key", "code", "via", "ref",
    "channel", "then", "to", "post", "change_id", "front", "group", "about", "resource", "rule",
    "id", "environment", "parts", "who", "body",
})  # fmt: skip
"""Plain text that names something, beside what has a type of its own."""
_TOLD_OF: Final = (
    EffectEnded, EffectEndTold, EffectStarted, KillSwitchSet, KillSwitchCleared, ProcessEnded, TroubleFound,
    TroubleGone, *get_args(EscalationFact),
)  # fmt: skip
"""Facts that are journaled whatever is in their names: people rely on stops, ends and alarms."""

_PASSWORD: Final = re2.compile(
    r"(?i)(?:^|[._-]|[a-z])(?:password|passwd|passphrase|passcode|pwd|authorization|private[_-]?key)$"
)
_SECRET: Final = re2.compile(
    r"(?i)(?:^|[._-]|[a-z])(?:secret|credentials?|token|(?:api|access|auth|secret|signing|encryption)[_-]?key)$"
)
_FLAG: Final = re2.compile(r"^--?[A-Za-z][A-Za-z0-9-]*$")
_STANDS_FOR: Final = re2.compile(r"^(?:[$<{%]|\[redacted|\[withheld)|^\*+$")
_WORDS: Final = re2.compile(r"^[A-Za-z_.:/-]*$|^.{0,7}$")

_Told = TypeVar("_Told", bound=Struct)


class _Leaf(Struct, frozen=True, array_like=True):
    """One text in a fact."""

    text: str
    spot: Spot | None
    """`None` for a name."""
    steps: tuple[str | int, ...]
    under: str = ""
    """The key or flag it stands behind."""
    is_key: bool = False


class Scrubber:
    """Looks through facts. One serves many threads."""

    def __init__(self, settings: PrivacySettings, scanner: Callable[[], Scanner]) -> None:
        """Treat what is found as `settings` say; `scanner` is asked for each time, for secrets change."""
        self._settings, self._scanner = settings, scanner

    def scrub(self, key: str, fact: Fact) -> tuple[str, Fact] | Callable[[], tuple[str, Fact]]:
        """Return the key and the fact as they may be journaled.

        Where there is much to look through, returns what does it: call that on a thread. Raises `InputError`
        when the fact cannot be taken: a name holds a secret, or nobody can look through a proposal.
        """
        leaves = [_Leaf(key, None, ("key",)), *_leaves(fact)]
        if sum([len(leaf.text) for leaf in leaves]) > LONG:
            return lambda: self._scrubbed(key, fact, leaves)
        return self._scrubbed(key, fact, leaves)

    def without_secrets(self, told: _Told, *, by_key: bool = False) -> _Told:
        """Return anything with the secrets taken out of all its texts, names too.

        With `by_key` also what stands behind a key that says it is one.
        """
        leaves = list(_leaves(told))
        try:
            scanner = self._scanner()
            seen = {leaf.text: cut(leaf.text, _secrets(scanner, leaf)) for leaf in leaves}
            if by_key:
                seen |= {leaf.text: _BEHIND_KEY for leaf in leaves if _is_under_secret(leaf)}
        except Exception:  # noqa: BLE001 - whatever it was, people are heard
            # Whoever asks for a stop gets it; what is journaled of it is looked through again, and withheld.
            _log.exception("looking for secrets in %s failed", type(told).__name__)
            return told
        if all(text == seen[text] for text in seen):
            return told
        rebuilt: _Told = _rebuilt(told, iter([seen[leaf.text] for leaf in leaves]))
        return rebuilt

    def _scrubbed(self, key: str, fact: Fact, leaves: list[_Leaf]) -> tuple[str, Fact]:
        try:
            return self._looked_through(key, fact, leaves)
        except WatchkeeperError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever it was, nothing unseen is kept
            _log.exception("looking for secrets in %s failed", type(fact).__name__)
            return self._unseen(key, fact, leaves, f"looking failed with {type(failure).__name__}")

    def _unseen(self, key: str, fact: Fact, leaves: list[_Leaf], why: str) -> tuple[str, Fact]:
        if isinstance(fact, ProposalReceived):
            raise InputError(
                f"nobody could look for secrets in it, so nothing of it was kept: {why}",
                cure="send less, or see the engine's log",
            )
        texts = [_UNSEEN if leaf.spot is not None else leaf.text for leaf in leaves[1:]]
        withheld: Fact = _rebuilt(fact, iter(texts))
        return key, withheld

    def _looked_through(self, key: str, fact: Fact, leaves: list[_Leaf]) -> tuple[str, Fact]:
        if sum([len(leaf.text) for leaf in leaves]) > LONGEST:
            return self._unseen(key, fact, leaves, f"it is longer than {LONGEST} signs")
        scanner = self._scanner()
        # Names are ids for the most part, which look like something encoded; in them nobody hides anything.
        if not (
            scanner.may_hold(_bytes("\n".join([leaf.text for leaf in leaves if leaf.spot is not None])))
            or scanner.may_begin(_bytes("\n".join([leaf.text for leaf in leaves if leaf.spot is None])))
            or scanner.may_begin(_bytes("".join([leaf.text for leaf in leaves if _is_argument(leaf)])))
            or any(_is_under_secret(leaf) for leaf in leaves if leaf.under)
        ):
            return key, _marked(fact, ())
        hits = [self._hits(scanner, leaf) for leaf in leaves]
        for nth, name in _split(scanner, leaves):
            if not any(hit.kind == "secret" for hit in hits[nth]):
                hits[nth] = [Hit(0, len(_bytes(leaves[nth].text)), "secret", name)]
        if not any(hits):
            return key, _marked(fact, ())
        texts, found = [], []
        for leaf, own in zip(leaves, hits, strict=True):
            taken = [hit for hit in own if self._is_taken(leaf, hit)]
            if taken and leaf.spot is None:
                self._check_name(fact, leaf, taken[0])
            place = _place(scanner, leaf)
            found += [Found(hit.kind, hit.name, place, hit in taken) for hit in own if leaf.spot is not None]
            texts.append(cut(leaf.text, taken))
        scrubbed: Fact = _rebuilt(fact, iter(texts[1:])) if texts != [leaf.text for leaf in leaves] else fact
        return texts[0], _marked(scrubbed, found)

    def _hits(self, scanner: Scanner, leaf: _Leaf) -> list[Hit]:
        data = _bytes(leaf.text)
        if _is_under_secret(leaf):
            return [Hit(0, len(data), "secret", "secret")]
        if leaf.spot is None:
            return _secrets(scanner, leaf)
        return scanner.hits(data) if scanner.may_hold(data) else []

    def _is_taken(self, leaf: _Leaf, hit: Hit) -> bool:
        if leaf.spot is None:
            return True
        return self._settings.treated(hit.kind).at(leaf.spot) != "keep"

    def _check_name(self, fact: Fact, leaf: _Leaf, hit: Hit) -> None:
        if not isinstance(fact, _TOLD_OF):
            raise InputError(
                f"this name holds a secret ({hit.name}), and names are kept as they are",
                place=str(leaf.steps[-1]),
                cure="use a name that anybody may read; and change the secret, for it was sent",
            )


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


# ---------------------------------------------------------------- walking through what a fact is made of


@lru_cache(maxsize=1024)
def _fields(kind: type[Struct]) -> tuple[tuple[str, bool, Spot], ...]:
    """Return the fields of a struct that may hold text: name, whether it names something, and what it is."""
    spot: Spot = "outputs" if issubclass(kind, _OUTPUTS) else "text"
    spot = "messages" if issubclass(kind, MessageObserved) else spot
    found: list[tuple[str, bool, Spot]] = []
    for name, hint in get_type_hints(kind).items():
        parts = list(_parts(hint))
        # A name that is looked up elsewhere, in the fence, stays whatever it is.
        if (issubclass(kind, Scope) and name == "name") or name == "found":
            continue
        named = name in _NAMES or any(getattr(part, "__supertype__", None) is str for part in parts)
        if name == "args":
            found.append((name, False, "arguments"))
        elif any(part is str or part is Any or _is_struct(part) for part in parts) or named:
            found.append((name, named, spot))
    return tuple(found)


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _is_struct(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Struct)


def _leaves(
    value: Any, spot: Spot | None = "text", steps: tuple[str | int, ...] = (), under: str = ""
) -> Iterator[_Leaf]:
    """Go through every text in a value, in the order in which `_rebuilt` asks for them."""
    if isinstance(value, str):
        yield _Leaf(value, spot, steps, under)
    elif isinstance(value, Struct):
        for name, named, own in _fields(type(value)):
            inner = getattr(value, name)
            if inner is not UNSET and inner is not None:
                deeper = (name,) if isinstance(value, Fact | Proposal) else (*steps, name)
                yield from _leaves(inner, None if named and not isinstance(inner, Struct) else own, deeper)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                yield _Leaf(key, spot, (*steps, key), is_key=True)
            yield from _leaves(inner, spot, (*steps, key), str(key))
    elif isinstance(value, list | tuple):
        flag = ""
        for nth, inner in enumerate(value):
            yield from _leaves(inner, spot, (*steps, nth), flag or under)
            flag = inner.lstrip("-") if isinstance(inner, str) and _FLAG.search(inner) else ""
    elif _is_number(value, under):
        yield _Leaf(str(int(value)), spot, steps, under)


def _is_number(value: Any, under: str) -> bool:
    """Whether a number is looked at: one that is long enough, or stands where a password does."""
    if type(value) is float:
        return value.is_integer() and abs(value) >= _FROM_LONG
    return type(value) is int and (abs(value) >= _FROM_LONG or bool(under and _PASSWORD.search(under)))


def _rebuilt(value: Any, texts: Iterator[str], under: str = "") -> Any:
    """Put a value together again, with these texts in place of its own."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, Struct):
        changes = {
            name: _rebuilt(inner, texts)
            for name, _, _ in _fields(type(value))
            if (inner := getattr(value, name)) is not UNSET and inner is not None
        }
        return structs.replace(value, **changes)
    if isinstance(value, dict):
        built: dict[Any, Any] = {}
        for key, inner in value.items():
            name = next(texts) if isinstance(key, str) else key
            # Two keys of which the same is left must not become one.
            name = f"{name} ({len(built) + 1})" if name in built else name
            built[name] = _rebuilt(inner, texts, str(key))
        return built
    if isinstance(value, list | tuple):
        items, flag = [], ""
        for inner in value:
            items.append(_rebuilt(inner, texts, flag or under))
            flag = inner.lstrip("-") if isinstance(inner, str) and _FLAG.search(inner) else ""
        return tuple(items) if isinstance(value, tuple) else items
    if _is_number(value, under):
        text = next(texts)
        return value if text == str(int(value)) else text
    return value


# ---------------------------------------------------------------- what stands where


def _secrets(scanner: Scanner, leaf: _Leaf) -> list[Hit]:
    """Find the secrets in a text. Names are mostly ids, which look encoded: in them only plain ones count."""
    data = _bytes(leaf.text)
    may = scanner.may_begin if leaf.spot is None else scanner.may_hold
    return scanner.secrets(data) if may(data) else []


def _is_argument(leaf: _Leaf) -> bool:
    return leaf.spot == "arguments" and not leaf.is_key


def _is_under_secret(leaf: _Leaf) -> bool:
    """Whether a value stands behind a key or flag that says it is a secret, and looks like a value."""
    under = leaf.under
    if not under or leaf.spot is None or len(leaf.text) < 4 or _STANDS_FOR.search(leaf.text):
        return False
    if _PASSWORD.search(under):
        return True
    return _SECRET.search(under) is not None and _WORDS.search(leaf.text) is None


def _split(scanner: Scanner, leaves: list[_Leaf]) -> Iterator[tuple[int, str]]:
    """Find secrets that begin in one argument and end in another; say in which, by place in the list."""
    values = [nth for nth, leaf in enumerate(leaves) if _is_argument(leaf)]
    texts = [_bytes(leaves[nth].text) for nth in values]
    for nth, text in enumerate(texts[:-1]):
        # The end of one, and the beginnings of those behind it.
        pieces = [
            text[-_LONGEST_SPLIT:],
            *(more[:_LONGEST_SPLIT] for more in texts[nth + 1 : nth + _MOST_SPLIT]),
        ]
        for start, end, name in scanner.shapes(b"".join(pieces)):
            if start >= len(pieces[0]) or end <= len(pieces[0]):
                continue
            past = 0
            for place, piece in enumerate(pieces):
                if past < end:
                    yield values[nth + place], name
                past += len(piece)


def _place(scanner: Scanner, leaf: _Leaf) -> str:
    """Write down where a text stands, without what is secret or personal in the names of its keys."""
    named = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in leaf.steps).lstrip(".")
    plain = cut(named, scanner.hits(_bytes(named)))
    plain = "".join(sign if sign.isprintable() else " " for sign in plain)
    return plain if len(plain) <= _LONGEST_PLACE else f"{plain[:_LONGEST_PLACE]}…"


def _marked(fact: Fact, found: list[Found] | tuple[()]) -> Fact:
    """Write on a proposal what was found in it: only here, whatever came with it."""
    if not isinstance(fact, ProposalReceived):
        return fact
    # What was taken out of arguments decides, so it must not be crowded out by anything else.
    first = sorted(found, key=lambda each: (not each.taken, not each.place.startswith("args")))
    mark = tuple(dict.fromkeys(first))[:_MOST_FOUND] or UNSET
    if fact.proposal.found == mark:
        return fact
    return structs.replace(fact, proposal=structs.replace(fact.proposal, found=mark))
