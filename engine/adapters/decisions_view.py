"""Looking through a journal for its decisions, the newest first, on a read-only connection of its own."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import VerdictReached, tag_of
from engine.core.vocabulary.ids import capability_name
from engine.errors import InputError
from engine.ports import DecisionFilter, JournalReader, Page

# The table has no index but its keys (see journal_schema), so a question walks it backwards. One question
# walks this far and says where to go on: it then takes some tenths of a second at most, however long the
# journal is and however rare what is looked for.
FURTHEST: Final = 100_000

# Facts begin with their kind in canonical JSON, and a text that begins so is found without parsing it.
_WALK: Final = """
SELECT seq, key, CAST(body AS BLOB), prev, hash FROM journal
WHERE seq < ? AND seq >= ? AND ({kinds}) {conditions}
ORDER BY seq DESC LIMIT ?
"""
_AT: Final = "SELECT seq, at_us FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1"
_FROM: Final = """
SELECT seq, key, CAST(body AS BLOB), prev, hash FROM journal INDEXED BY sqlite_autoindex_journal_1
WHERE key >= ? AND key < ? ORDER BY seq LIMIT 1000
"""
_VERDICT: Final = tag_of(VerdictReached)


class DecisionsView(SqliteReader):
    """A journal that can be looked through, the newest first."""

    def decisions(self, wanted: DecisionFilter, *, before: int | None = None, most: int = 50) -> Page:
        """Return records of verdicts; `before` is where the page before ended."""
        conditions, values = [], list[int | str]()
        for field in ("agent", "action", "word"):
            if (value := getattr(wanted, field)) is not None:
                conditions.append(f"json_extract(body, '$.verdict.{field}') = ?")
                values.append(value)
        if (capability := wanted.capability) is not None:
            if str(capability_name(capability)) != capability:
                conditions.append("json_extract(body, '$.verdict.capability') = ?")
                values.append(capability)
            else:
                conditions.append(
                    "(json_extract(body, '$.verdict.capability') = ?"
                    " OR substr(json_extract(body, '$.verdict.capability'), 1, ?) = ?)"
                )
                values += [capability, len(capability) + 1, f"{capability}@"]
        lowest = self.first_at(wanted.since_us) if wanted.since_us is not None else 1
        if wanted.until_us is not None:
            end = self.first_at(wanted.until_us)
            before = end if before is None else min(before, end)
        return self._walk([_VERDICT], conditions, values, before=before, most=most, lowest=lowest)

    def facts(self, *tags: str, before: int | None = None, most: int = 50, after: int = 0) -> Page:
        """Return records of these kinds of facts, such as `snapshot_saved`, that stand behind `after`."""
        return self._walk(tags, [], [], before=before, most=most, lowest=after + 1)

    def with_prefix(self, prefix: str) -> list[Record]:
        """Return the records whose key begins so, in the order of the journal."""
        if not prefix:
            raise InputError("an empty prefix covers the whole journal", cure="use read()")
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return [Record(*row) for row in self._ask(_FROM, (prefix, after))]

    def first_at(self, at_us: int) -> int:
        """Return the number of the first record at this time or later; one past the last for none.

        A journal's time never goes back, so this is quick.
        """
        low, high = 1, self.head().seq + 1
        while low < high:
            middle = (low + high) // 2
            rows = self._ask(_AT, (middle,))
            if rows and (rows[0][1] or 0) < at_us:
                low = middle + 1
            else:
                high = middle
        return low

    def _walk(
        self,
        tags: Sequence[str],
        conditions: list[str],
        values: list[int | str],
        *,
        before: int | None,
        most: int,
        lowest: int = 1,
    ) -> Page:
        head = self.head().seq
        top = head + 1 if before is None else min(before, head + 1)
        bottom = max(top - FURTHEST, lowest)
        starts = [f'{{"fact":"{tag}"' for tag in tags]
        sql = _WALK.format(
            kinds=" OR ".join("substr(body, 1, ?) = ?" for _ in starts),
            conditions="".join(f" AND {condition}" for condition in conditions),
        )
        kinds = [value for start in starts for value in (len(start), start)]
        rows = self._ask(sql, (top, bottom, *kinds, *values, most))
        records = tuple(Record(*row) for row in rows)
        # A full page may end before the walk did.
        reached = records[-1].seq if len(records) == most else bottom
        return Page(records=records, before=reached if reached > lowest else None)


_Reader = TypeVar("_Reader", bound=JournalReader)


class Current(Generic[_Reader]):
    """Keeps one reader of a journal open, and opens another when another file took its place."""

    def __init__(self, path: Path, open_reader: Callable[[Path], _Reader]) -> None:
        """Name the file; it need not exist yet."""
        self._path, self._open = path, open_reader
        self._opening = threading.Lock()
        self._reader: _Reader | None = None
        self._file: tuple[int, int] | None = None

    def __call__(self) -> _Reader:
        """Return the reader of the file as it is now. Raises as opening it does, `InputError` for none."""
        with self._opening:
            try:
                found = self._path.stat()
                file = (found.st_dev, found.st_ino)
            except OSError:
                file = None
            if self._reader is None or file != self._file:
                reader = self._open(self._path)
                self._close()
                self._reader, self._file = reader, file
            return self._reader

    def close(self) -> None:
        """Release the file. Closing twice is harmless."""
        with self._opening:
            self._close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
