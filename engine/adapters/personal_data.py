"""Personal data that can be told by its shape: cards, bank accounts, e-mail addresses, phone numbers.

Each shape is checked by what makes it one, so that a number of another kind is left alone: a card by its
issuer's first digits, its length and its check digit (ISO/IEC 7812, Luhn), an account by the length its
country uses and its two check digits (ISO 13616, mod 97), a phone number by being written as one. Names and
postal addresses have no shape, and are not found.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import re2

from engine.core.vocabulary.privacy import DataKind

_EMAIL: Final = (
    r"[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_%+-])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z]{2,24}"
)
_CARD: Final = r"[0-9](?:[ -]?[0-9]){12,}"
_IBAN: Final = r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}"
_PHONE: Final = (
    r"\+[1-9](?:[ ./-]?(?:\(0?[0-9]{1,4}\)|[0-9])){7,16}"
    r"|\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}"
    r"|[2-9][0-9]{2}[-.][2-9][0-9]{2}[-.][0-9]{4}"
    r"|(?i:tel|phone|mobile|call|fax)[.:]? {0,2}(?:0[0-9](?:[ /-]?[0-9]){6,13})"
)

_LENGTHS: Final = {
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "PT ST", 26: "IS TR", 27: "FR GR IT MC MR SM",
        28: "AL AZ CY DO HU LB PL SV", 29: "BR PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC",
    }.items()
    for code in codes.split()
}  # fmt: skip
"""How long a country's account numbers are, signs (SWIFT's IBAN registry)."""

_LONGEST_CARD: Final = 19
_MOST_GROUPS: Final = 5
_GROUPED: Final = {(4, 6, 5), (4, 6, 4)}
"""How the digits of cards are grouped that are not grouped by fours."""
_GROUP: Final = re.compile(rb"[0-9]+")


def _is_luhn(digits: str) -> bool:
    """Check a number's last digit against the others.

    >>> _is_luhn("4111111111111111"), _is_luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for nth, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + nth % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_card(text: str) -> bool:
    """Whether this is the number of a payment card, however it is grouped.

    >>> is_card("4111 1111 1111 1111"), is_card("5500-0000-0000-0004"), is_card("4111 1111 1111 1112")
    (True, True, False)
    """
    digits = "".join(sign for sign in text if sign.isdigit())
    length, first = len(digits), digits[:2]
    fits = (
        (digits[:1] == "4" and length in {13, 16, 19})
        or (("51" <= first <= "55" or "2221" <= digits[:4] <= "2720") and length == 16)
        or (first in {"34", "37"} and length == 15)
        or (first in {"30", "36", "38", "39"} and length == 14)
        or (first in {"35", "60", "62", "64", "65", "81"} and 16 <= length <= 19)
    )
    return fits and len(set(digits)) > 1 and _is_luhn(digits)


def is_iban(text: str) -> bool:
    """Whether this is an international bank account number.

    >>> is_iban("DE89 3704 0044 0532 0130 00"), is_iban("DE89 3704 0044 0532 0130 01")
    (True, False)
    """
    plain = text.replace(" ", "")
    if _LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def _emails(data: bytes, start: int, end: int) -> Iterable[tuple[int, int]]:
    # git@host:path and ssh://user@host are places, and nobody's letters are delivered there.
    place = data[end : end + 1] == b":" and data[end + 1 : end + 2] not in {b"", b" ", b"\n", b'"', b"'"}
    if not place and not data[max(0, start - 3) : start].endswith(b"://"):
        yield start, end


def _cards(data: bytes, start: int, end: int) -> Iterable[tuple[int, int]]:
    # Numbers often stand beside each other, so a card may begin and end with any group of digits.
    groups = [group.span() for group in _GROUP.finditer(data, start, end)]
    past = start
    for nth, (first, _) in enumerate(groups):
        sizes: tuple[int, ...] = ()
        for begin, until in groups[nth : nth + _MOST_GROUPS]:
            sizes += (until - begin,)
            if first < past or sum(sizes) > _LONGEST_CARD:
                break
            grouped = len(sizes) == 1 or sizes in _GROUPED or (set(sizes[:-1]) == {4} and sizes[-1] <= 4)
            text = data[first:until].decode()
            if sum(sizes) > 12 and grouped and is_card(text) and _stands_alone(data, first, until):
                yield first, until
                past = until
                break


def _ibans(data: bytes, start: int, end: int) -> Iterable[tuple[int, int]]:
    # Words behind it in capitals look like more of it, so it ends where its country says.
    length = _LENGTHS.get(data[start : start + 2].decode(), 0)
    seen = 0
    for place in range(start, end):
        seen += data[place : place + 1] != b" "
        if seen == length:
            if _stands_alone(data, start, place + 1) and is_iban(data[start : place + 1].decode()):
                yield start, place + 1
            return


def _phones(data: bytes, start: int, end: int) -> Iterable[tuple[int, int]]:
    digits = sum(sign in b"0123456789" for sign in data[start:end])
    if digits <= 15 and _stands_alone(data, start, end):
        yield start, end


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    """Whether a number is not a part of a longer word or number."""
    return not (_joins(data[max(0, start - 2) : start][::-1]) or _joins(data[end : end + 2]))


def _joins(beside: bytes) -> bool:
    nearest = beside[:1]
    return nearest.isalnum() or nearest == b"_" or (nearest in {b".", b"-"} and beside[1:].isalnum())


_Check = Callable[[bytes, int, int], Iterable[tuple[int, int]]]


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


_SHAPES: Final[tuple[tuple[DataKind, Any, _Check], ...]] = (
    ("card", _compiled(_CARD), _cards),
    ("iban", _compiled(_IBAN), _ibans),
    ("email", _compiled(_EMAIL), _emails),
    ("phone", _compiled(_PHONE), _phones),
)

HINT: Final = (
    r"@[A-Za-z0-9.-]+\.[A-Za-z]{2}|[0-9](?:[ -]?[0-9]){12}|[A-Z]{2}[0-9]{2} ?[A-Z0-9]{2}"
    r"|\+[1-9][ ./(-]?[0-9(]"
    r"|[2-9][0-9]{2}\)? ?[-. ]?[2-9][0-9]{2}[-. ][0-9]{4}|(?i:tel|phone|mobile|call|fax)[.:]? {0,2}0[0-9]"
)
"""Where this is not found, nothing else here is."""


def personal_data(data: bytes) -> Iterable[tuple[int, int, DataKind]]:
    """Find personal data in a text of UTF-8: where each begins and ends, and what it is."""
    for kind, pattern, check in _SHAPES:
        for match in pattern.finditer(data):
            for start, end in check(data, *match.span()):
                yield start, end, kind
