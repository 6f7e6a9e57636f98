"""The journal as tables, through sqlite-utils: a file of flat tables for reports, and read-only queries."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

import msgspec
from sqlite_utils import Database

from engine.adapters.files import atomic_path
from engine.adapters.journal_reader import is_open_here
from engine.adapters.journal_schema import open_reader
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.units import time_text
from engine.errors import InputError, JournalBusy, JournalError, StorageError

RECORD_COLUMNS: Final[dict[str, type]] = {
    "seq": int, "time": str, "at_us": int, "fact": str, "agent": str, "capability": str, "action": str,
    "episode": str, "proposal_id": str, "key": str, "hash": str, "body": str,
}  # fmt: skip

VERDICT_COLUMNS: Final[dict[str, type]] = {
    "seq": int, "time": str, "at_us": int, "decision_id": str, "proposal_id": str, "word": str,
    "shadowed": int, "agent": str, "capability": str, "action": str, "episode": str, "environment": str,
    "cost_usd": float, "files": int, "api_calls": int, "confidence": float, "risk": str, "risk_score": int,
    "gates": str, "rules": str, "reasons": str, "waits": str, "policy_hash": str,
}  # fmt: skip

_BATCH: Final = 1_000

_READING: Final = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_SAVEPOINT,
}
_LOOKING: Final = {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"}
_FULL: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ABOUT_THE_FILE: Final = _FULL | _DAMAGED | {sqlite3.SQLITE_BUSY}
_REFUSED: Final = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH}


def write_tables(records: Iterable[Record], out: str | os.PathLike[str]) -> None:
    """Write records to a new SQLite file: `records`, one row each, and `verdicts`, flattened for questions.

    Amounts of money are numbers here, so that they add up in SQL; the exact text stands in `records.body`.
    Raises `StorageError` or `InputError` when the file cannot be written; then nothing is left behind.
    """
    rows = iter(records)
    with (
        atomic_path(out) as temporary,
        _refusals(os.fspath(out)),
        contextlib.closing(sqlite3.connect(temporary)) as connection,
    ):
        # Nobody sees the file before it is whole, so it needs no journal of its own.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        database = Database(connection, execute_plugins=False)
        database.table("records").create(RECORD_COLUMNS, pk="seq")
        database.table("verdicts").create(VERDICT_COLUMNS, pk="seq")
        while batch := [(record, _tree(record.body)) for record in islice(rows, _BATCH)]:
            database.table("records").insert_all(_record_row(record, tree) for record, tree in batch)
            database.table("verdicts").insert_all(
                _verdict_row(record, tree) for record, tree in batch if tree.get("fact") == "verdict_reached"
            )
        for table, column in (("records", "fact"), ("records", "at_us"), ("verdicts", "proposal_id")):
            database.table(table).create_index([column])


def query(
    path: str | os.PathLike[str], sql: str, params: Sequence[Any] | Mapping[str, Any] = ()
) -> Iterator[dict[str, Any]]:
    """Ask a journal a question in SQL; yields each row as a dictionary.

    The tables are `journal(seq, key, fact, at_us, body, prev, hash)`, with `body` in JSON, and `snapshot`.
    The connection can only read. Raises `InputError` for a statement that writes or is wrong, and
    `JournalError` when the file is no journal, or when this process has it open itself (see `is_open_here`).
    """
    place = os.path.realpath(path)
    if is_open_here(place):
        raise JournalError(
            "this process has the journal open",
            place=place,
            cure="close it first, or ask from another process",
        )
    open_reader(place).close()
    with (
        _refusals(place),
        contextlib.closing(sqlite3.connect(f"file:{quote(place)}?mode=ro", uri=True)) as connection,
    ):
        database = Database(connection, execute_plugins=False)
        connection.set_authorizer(_only_reading)
        values = dict(params) if isinstance(params, Mapping) else tuple(params)
        try:
            yield from database.query(sql, values)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            if _code(error) in _ABOUT_THE_FILE:
                raise
            raise _not_a_question(error) from error


def _only_reading(
    action: int, name: str | None, detail: str | None, _schema: str | None, _by: str | None
) -> int:
    """Let a query read. `mode=ro` alone would still let ATTACH and VACUUM INTO make files elsewhere."""
    allowed = (
        action in _READING
        or (action == sqlite3.SQLITE_FUNCTION and detail != "load_extension")
        or (action == sqlite3.SQLITE_PRAGMA and name in _LOOKING)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


@contextlib.contextmanager
def _refusals(place: str) -> Iterator[None]:
    """Turn what sqlite3 reports about the file into our errors; the rest passes unchanged."""
    try:
        yield
    except sqlite3.Error as error:
        code, message = _code(error), _one_line(error)
        if code in _FULL:
            cure = "check space, limits and permissions, then retry"
            raise StorageError(message, place=place, cure=cure) from error
        if code in _DAMAGED:
            raise JournalError(message, place=place, cure="run `watchkeeper journal verify`") from error
        if code == sqlite3.SQLITE_BUSY:
            raise JournalBusy(
                message, place=place, cure="close it in the other program, then retry"
            ) from error
        raise


def _not_a_question(error: Exception) -> InputError:
    """Say what is wrong with a query."""
    # sqlite-utils refuses by itself, with a ValueError, what gives no rows; SQLite words some of what its
    # authorizer forbids as an ordinary mistake.
    forbidden = _code(error) in _REFUSED or str(error).startswith("not authorized")
    if forbidden or isinstance(error, ValueError):
        return InputError("a query can only read", place="the query", cure="ask with SELECT")
    cure = "columns of journal: seq, key, fact, at_us, body, prev, hash; body is JSON"
    return InputError(_one_line(error), place="the query", cure=cure)


def _code(error: Exception) -> int:
    """Return SQLite's primary result code, 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _tree(body: bytes) -> dict[str, Any]:
    """Read a body without the vocabulary, which may be older or newer than the journal."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _part(tree: Any, *names: str) -> dict[str, Any]:
    """Walk into nested objects; an empty one where there is none."""
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _at(tree: dict[str, Any]) -> tuple[int | None, str | None]:
    at_us = tree.get("at_us")
    try:
        return (at_us, time_text(at_us)) if isinstance(at_us, int) else (None, None)
    except OverflowError:
        return at_us, None


def _record_row(record: Record, tree: dict[str, Any]) -> dict[str, Any]:
    at_us, time = _at(tree)
    subject = _part(tree, "proposal") or _part(tree, "verdict") or tree
    return {
        "seq": record.seq,
        "time": time,
        "at_us": at_us,
        "fact": tree.get("fact"),
        **{name: _flat(subject.get(name)) for name in _SUBJECT},
        "key": record.key,
        "hash": record.hash.hex(),
        "body": record.body.decode(errors="replace"),
    }


_SUBJECT: Final = ("agent", "capability", "action", "episode", "proposal_id")
_SAME: Final = ("decision_id", *_SUBJECT, "word", "shadowed", "policy_hash")


def _verdict_row(record: Record, tree: dict[str, Any]) -> dict[str, Any]:
    at_us, time = _at(tree)
    verdict = _part(tree, "verdict")
    assessment, impact = _part(verdict, "assessment"), _part(verdict, "impact")
    risk = _part(assessment, "risk")
    answers = [*_list(verdict.get("answers")), *_list(assessment.get("answers"))]
    spoke = [answer for answer in answers if answer.get("ruling") != "allow"]
    return {
        "seq": record.seq,
        "time": time,
        "at_us": at_us,
        **{name: _flat(verdict.get(name)) for name in _SAME},
        "environment": _flat(assessment.get("environment")),
        "cost_usd": _number(impact.get("cost_usd")),
        "files": impact.get("files"),
        "api_calls": impact.get("api_calls"),
        "confidence": assessment.get("confidence"),
        "risk": _flat(risk.get("level")),
        "risk_score": risk.get("score"),
        "gates": _joined(spoke, "gate"),
        "rules": _joined(spoke, "rule"),
        "reasons": "; ".join(str(answer["reason"]) for answer in spoke if answer.get("reason")),
        "waits": ", ".join(
            f"{wait.get('needed', 1)} {wait.get('kind')} ({wait.get('role')})"
            for wait in _list(verdict.get("waits"))
        ),
    }


def _list(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _joined(answers: list[dict[str, Any]], name: str) -> str:
    return ", ".join(dict.fromkeys(str(answer[name]) for answer in answers if answer.get(name)))


def _number(value: Any) -> float | None:
    with contextlib.suppress(TypeError, ValueError):
        return float(value)
    return None


def _flat(value: Any) -> Any:
    """Keep what a column can hold; anything nested becomes its JSON."""
    return (
        value
        if value is None or isinstance(value, str | int | float)
        else msgspec.json.encode(value).decode()
    )
