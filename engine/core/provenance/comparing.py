"""Comparing: whether what was read names a value, whichever way both are written."""

from typing import Final

from engine.core.provenance.spelling import mark
from engine.core.provenance.wanted import Form, Target

_LONGEST: Final = 64
_PIECE: Final = 4
_PIECES: Final = 4
_SHORTEST: Final = 8


def names(target: Target, marks: frozenset[int]) -> bool:
    """Whether these marks of a text name a value."""
    return any(_names(form, marks) for form in target.forms)


def _names(form: Form, marks: frozenset[int]) -> bool:
    if form.exact in marks:
        return True
    if form.beside:
        return not marks.isdisjoint(form.beside)
    if form.parts and marks.issuperset(form.parts):
        return True
    return bool(form.joined) and (mark(form.joined) in marks or in_pieces(form.joined, marks))


def in_pieces(joined: str, marks: frozenset[int]) -> bool:
    """Whether a value with digits in it can be put together from words of a text.

    Words that stand side by side there are one piece. There are four pieces at most; a piece from elsewhere
    in it has four letters and a digit among them, for short and everyday words stand in many a text.
    """
    size = len(joined)
    if not _SHORTEST <= size <= _LONGEST or not any(map(str.isdigit, joined)):
        return False
    # How many pieces it takes to come to a place in the value, by the last word before it.
    reached: list[dict[str, int]] = [{} for _ in range(size + 1)]
    reached[0][""] = 0
    for place in range(size):
        if not reached[place]:
            continue
        for end in range(place + 1, size + 1):
            word = joined[place:end]
            if mark(word) not in marks:
                continue
            fits = place == 0 or (len(word) >= _PIECE and any(map(str.isdigit, word)))
            for last, pieces in reached[place].items():
                beside = bool(last) and mark(f"{last} {word}") in marks
                taken = pieces if beside else pieces + 1
                if (beside or fits) and taken <= _PIECES and taken < reached[end].get(word, _PIECES + 1):
                    reached[end][word] = taken
    return bool(reached[size])
