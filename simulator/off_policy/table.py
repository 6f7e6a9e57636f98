"""Logs of other systems, as tables: a row a decision, with the probability it was made with."""

from collections import Counter
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.core.statistics.off_policy import Logged, Wanted
from engine.errors import InputError, RecordingError
from simulator.importers.source import Progress, Source
from simulator.off_policy.columns import Row

_UNNAMED: Final = "everywhere"


class Layout(Struct, frozen=True, kw_only=True):
    """Which column of a table is what."""

    choice: str
    chance: str
    """The probability with which the log's policy made this choice, over 0 and at most 1."""
    reward: str
    """What came of it: a number, or yes and no."""
    context: str = ""
    """What tells rewards apart, and on which choices may depend; empty for none."""
    unit: str = ""
    """The episode; empty where each row stands alone."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All that it names."""
        return tuple(
            name for name in (self.choice, self.chance, self.reward, self.context, self.unit) if name
        )


def parse_layout(text: str) -> Layout:
    """Read a layout as people type it: `choice=item,chance=p,reward=click,context=position`.

    >>> parse_layout("choice=item,chance=p,reward=click").columns
    ('item', 'p', 'click')

    Raises `InputError` naming what is wrong.
    """
    given = dict(part.strip().partition("=")[::2] for part in text.split(","))
    known = ("choice", "chance", "reward", "context", "unit")
    wrong = [name for name, column in given.items() if name not in known or not column]
    missing = [name for name in known[:3] if name not in given]
    if wrong or missing:
        said = f"{wrong[0]!r} is no such part, or names no column" if wrong else f"no column for {missing[0]}"
        raise InputError(f"--columns: {said}", cure=f"write {_EXAMPLE}; context and unit may be left out")
    return Layout(**given)


_EXAMPLE: Final = "choice=COLUMN,chance=COLUMN,reward=COLUMN,context=COLUMN,unit=COLUMN"


def frequencies(path: Path, layout: Layout, progress: Progress | None = None) -> dict[str, Wanted]:
    """Return how often each choice was made in each context of a table: a policy, as it was seen to choose.

    Raises `RecordingError` naming the place.
    """
    counts: dict[str, Counter[str]] = {}
    needs = tuple(name for name in (layout.choice, layout.context) if name)
    with Source(path, progress=progress) as source:
        for _, cells in source.table(needs=needs):
            counts.setdefault(_context(cells, layout), Counter())[cells[layout.choice]] += 1
    return {
        context: tuple((choice, count / choices.total()) for choice, count in sorted(choices.items()))
        for context, choices in counts.items()
    }


def both_sides(
    path: Path, layout: Layout, wanted: dict[str, Wanted], progress: Progress | None = None
) -> tuple[list[Row], list[Row]]:
    """Read a log twice over: as it would count for a candidate that chooses so, and as it was.

    Raises `RecordingError` naming the row, also where the candidate is not known in a context of the log.
    """
    candidate: list[Row] = []
    logged: list[Row] = []
    with Source(path, progress=progress) as source:
        for number, (place, cells) in enumerate(source.table(needs=layout.columns)):
            context, choice = _context(cells, layout), cells[layout.choice]
            chance, reward = (_number(cells, column, place) for column in (layout.chance, layout.reward))
            if not 0 < chance <= 1:
                raise RecordingError(
                    f"column {layout.chance!r}: {chance} is no chance",
                    place=place,
                    cure="give the probability of the choice that was made, over 0 and at most 1",
                )
            if context not in wanted:
                raise RecordingError(
                    f"nothing says what the candidate would choose in context {context!r}",
                    place=place,
                    cure="give a candidate that was seen in it, or leave the context out",
                )
            unit = cells[layout.unit] if layout.unit else str(number)
            candidate.append(Row(unit, Logged(context, choice, chance, reward, wanted[context])))
            logged.append(Row(unit, Logged(context, choice, 1.0, reward, ((choice, 1.0),))))
    return candidate, logged


def _context(cells: dict[str, str], layout: Layout) -> str:
    return cells[layout.context] if layout.context else _UNNAMED


_WORDS: Final = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


def _number(cells: dict[str, str], column: str, place: str) -> float:
    text = cells[column].strip()
    word = _WORDS.get(text.lower())
    try:
        return float(text) if word is None else word
    except ValueError:
        raise RecordingError(
            f"column {column!r}: {text!r} is no number", place=place, cure="correct the row, or the column"
        ) from None
