"""Results of a replay: one SQLite file that anybody can query, and that a stopped replay goes on from.

Rows of a group and the checkpoint after it are committed together, so whatever stops a replay, even `kill
-9`, leaves a file that ends between two groups.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlite_utils
import zstandard
from msgspec import Struct

from engine.adapters.files import storage_errors
from engine.adapters.journal_lock import WriterLock
from engine.core.vocabulary.ids import DecisionId, ProposalId
from engine.core.vocabulary.verdicts import RULING_RANK
from engine.errors import InputError, JournalBusy, StorageError
from simulator.kpis import KpiCourse
from simulator.recording import AnyLabel, Label
from simulator.replay.track import Decided

# Level 1 packs tenfold at hundreds of megabytes a second: verdicts repeat themselves.
_PACKER: Final = zstandard.ZstdCompressor(level=1)
_DECISIONS: Final = {
    "track": int,
    "seq": int,
    "decision_id": str,
    "proposal_id": str,
    "at_us": int,
    "agent": str,
    "capability": str,
    "action": str,
    "episode": str,
    "environment": str,
    "word": str,
    "shadowed": int,
    "rule": str,
    "risk": str,
    "risk_score": int,
    "cost_usd": float,
    "files": int,
    "api_calls": int,
    "confidence": float,
    "decide_us": float,
    "block": int,
    "line": int,
}
_OBJECTIONS: Final = {"track": int, "seq": int, "gate": str, "rule": str, "ruling": str}

_INTO_DECISIONS: Final = f"insert into decisions values ({', '.join('?' * len(_DECISIONS))})"  # noqa: S608 - marks
_INTO_OBJECTIONS: Final = f"insert into objections values ({', '.join('?' * len(_OBJECTIONS))})"  # noqa: S608 - marks

_INTO_KNOWN: Final = """
    insert into known values (?, ?, ?) on conflict (proposal_id) do update
    set right = excluded.right, rated = excluded.rated where excluded.rated >= rated
"""

_KPIS: Final = {
    "track": int,
    "name": str,
    "kind": str,
    "word": str,
    "sure": int,
    "why": str,
    "value": float,
    "low": float,
    "high": float,
    "count": int,
    "of": str,
    "at_least": float,
    "at_most": float,
    "from_us": int,
    "until_us": int,
}
_KPI_POINTS: Final = {
    "track": int,
    "name": str,
    "at_us": int,
    "value": float,
    "low": float,
    "high": float,
    "count": int,
}
_INTO_KPIS: Final = f"insert into kpis values ({', '.join('?' * len(_KPIS))})"  # noqa: S608 - marks
_INTO_KPI_POINTS: Final = f"insert into kpi_points values ({', '.join('?' * len(_KPI_POINTS))})"  # noqa: S608 - marks


class Checkpoint(Struct, frozen=True):
    """Where a stopped replay goes on, always between two groups."""

    next_group: int
    now_us: int
    kinds: dict[str, int]
    """Facts replayed so far, by kind."""
    chains: list[bytes]
    """Each track's journal hash so far."""
    states: list[bytes]
    """Each track's whole state."""
    kpis: list[bytes] = []
    """Each track's KPIs so far; empty where nobody asked for them."""


class Run(Struct, frozen=True, kw_only=True):
    """What was asked for. A stopped replay goes on only if all of it is the same."""

    recording: str
    """Path of the recording as it was given."""
    mapping: str | None = None
    """The mapping file it was imported with; `None` where there was none."""
    content_sha256: str
    source: str
    policies: list[str]
    """Folder of each policy."""
    policy_hashes: list[str]
    from_us: int | None
    until_us: int | None
    kpis: str = ""
    """The hash of the KPIs that are counted on the way; empty where none are."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What must be equal to go on: not where the files lie, but what is in them."""
        return (self.content_sha256, tuple(self.policy_hashes), self.from_us, self.until_us, self.kpis)


class Results:
    """A results file being written. It has its final name only once the replay is through."""

    def __init__(self, path: Path, run: Run, *, resume: bool) -> None:
        """Begin, or with `resume` go on from what a stopped replay left.

        Raises `InputError` when there is nothing to go on from or it was another replay, `StorageError` when
        the disk refuses.
        """
        self.path, self.run = path, run
        self._partial = path.with_name(path.name + ".partial")
        self.place = self._partial
        """Where the file is now: it has its final name once it is finished."""
        self._lock = _only_writer(path, self._partial)
        try:
            with _sqlite_errors(self._partial), storage_errors(path):
                self._open(resume=resume)
        except BaseException:
            self._unlock()
            raise
        self._rows: list[tuple[Any, ...]] = []
        self._objections: list[tuple[Any, ...]] = []
        self._lines: list[bytes] = []
        self._block = self.checkpoint.next_group if self.checkpoint else 0

    def _open(self, *, resume: bool) -> None:
        if not resume:
            self._partial.unlink(missing_ok=True)
        elif not self._partial.exists():
            raise InputError(
                "no stopped replay to go on from", place=str(self.path), cure="leave out --resume"
            )
        self._connection = sqlite3.connect(self._partial, isolation_level=None)
        self.db = sqlite_utils.Database(self._connection)
        try:
            self.checkpoint = self._go_on() if resume else self._begin()
        except BaseException:
            # What a stopped replay left stays, whoever failed to go on from it.
            self._connection.close()
            if not resume:
                self._partial.unlink(missing_ok=True)
            raise

    def _unlock(self) -> None:
        Path(f"{self._partial}.lock").unlink(missing_ok=True)
        self._lock.release()

    def _begin(self) -> Checkpoint | None:
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self.db.table("decisions").create(_DECISIONS, pk=("track", "seq"))
        self.db.table("objections").create(_OBJECTIONS)
        self.db.table("kpis").create(_KPIS, pk=("track", "name"))
        self.db.table("kpi_points").create(_KPI_POINTS)
        self.db.table("blocks").create({"block": int, "body": bytes}, pk="block")
        self.db.table("run").create({"what": str, "value": bytes}, pk="what")
        self.db.table("labels").create(
            {"proposal_id": str, "unsafe": int, "benign_episode": int, "episode": str}, pk="proposal_id"
        )
        self.db.table("known").create({"proposal_id": str, "right": int, "rated": int}, pk="proposal_id")
        self.db.table("recorded_verdicts").create(
            {"proposal_id": str, "word": str, "sha256": str, "replayed_sha256": str}, pk="proposal_id"
        )
        for name, sql in _VIEWS.items():
            self.db.create_view(name, sql)
        self.db.table("run").insert({"what": "run", "value": msgspec.json.encode(self.run)})
        self._connection.execute("BEGIN")
        return None

    def _go_on(self) -> Checkpoint | None:
        try:
            stored = dict(self._connection.execute("select what, value from run").fetchall())
            before = msgspec.json.decode(stored["run"], type=Run)
        except (sqlite3.DatabaseError, KeyError, msgspec.DecodeError) as failure:
            raise InputError(
                f"not a results file: {failure}", place=str(self._partial), cure="leave out --resume"
            ) from failure
        if before.identity != self.run.identity:
            raise InputError(
                "the stopped replay was of another recording, policy or span, or counted other KPIs",
                place=str(self._partial),
                cure="repeat its options, or leave out --resume to begin anew",
            )
        if "checkpoint" not in stored:
            raise InputError(
                "it stopped before its first group", place=str(self._partial), cure="leave out --resume"
            )
        self._connection.execute("BEGIN")
        return msgspec.msgpack.decode(stored["checkpoint"], type=Checkpoint)

    def add(self, track: int, decided: Decided) -> None:
        """Take one decision of the group under way."""
        asked, verdict = decided.asked, decided.verdict
        weighed, impact = asked.weighed[track], verdict.impact
        rule = ""
        if decided.objections:
            strictest = max(decided.objections, key=lambda objection: RULING_RANK[objection.ruling])
            rule = strictest.rule
            self._objections.extend(
                [(track, asked.seq, found.gate, found.rule, found.ruling) for found in decided.objections]
            )
        if track == 0:
            self._lines.append(asked.line)
        self._rows.append(
            (
                track,
                asked.seq,
                verdict.decision_id,
                verdict.proposal_id,
                verdict.at_us,
                verdict.agent,
                verdict.capability,
                verdict.action,
                verdict.episode,
                asked.environment,
                verdict.word,
                verdict.shadowed,
                rule,
                weighed.risk_level.value,
                weighed.risk_score,
                float(impact.cost_usd),
                impact.files,
                impact.api_calls,
                asked.confidence,
                decided.took_ns / 1000,
                self._block,
                len(self._lines),
            )
        )
        self._lines.append(bytes(decided.line))

    def add_known(self, proposal_id: ProposalId, *, right: bool, rated: bool) -> None:
        """Take what a recording says came of a proposal. A person's word goes before an outcome."""
        with _sqlite_errors(self._partial):
            self._connection.execute(_INTO_KNOWN, (proposal_id, right, rated))

    def end_group(self) -> None:
        """Write the rows of a group; they count once the next checkpoint is committed."""
        with _sqlite_errors(self._partial):
            if self._rows:
                execute = self._connection.executemany
                execute(_INTO_DECISIONS, self._rows)
                execute(_INTO_OBJECTIONS, self._objections)
                self._connection.execute(
                    "insert into blocks values (?, ?)",
                    (self._block, _PACKER.compress(b"\n".join(self._lines))),
                )
                self._rows.clear()
                self._objections.clear()
                self._lines.clear()
            self._block += 1

    def commit(self, checkpoint: Checkpoint) -> None:
        """Make everything up to here last, together with the place to go on from."""
        self.checkpoint = checkpoint
        with _sqlite_errors(self._partial):
            self._connection.execute(
                "insert or replace into run values ('checkpoint', ?)", (msgspec.msgpack.encode(checkpoint),)
            )
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN")

    def add_labels(self, labels: Iterator[AnyLabel]) -> None:
        """Put labels beside the decisions, for scoring: after deciding is over, never before."""
        with _sqlite_errors(self._partial):
            for label in labels:
                if isinstance(label, Label):
                    row = (label.proposal_id, label.unsafe, label.benign_episode, label.episode)
                    self._connection.execute("insert or replace into labels values (?, ?, ?, ?)", row)
                else:
                    self._connection.execute(
                        "insert or replace into recorded_verdicts values (?, ?, ?, null)",
                        (label.proposal_id, label.word, label.sha256),
                    )

    def add_kpis(self, track: int, course: KpiCourse) -> None:
        """Put beside the decisions how KPIs stand at the end, and how they went on the way."""
        with _sqlite_errors(self._partial):
            for kpi, points in zip(course.standings, course.points, strict=True):
                row = [getattr(kpi, column) for column in list(_KPIS)[1:]]
                self._connection.execute(_INTO_KPIS, (track, *row))
                self._connection.executemany(
                    _INTO_KPI_POINTS, [(track, kpi.name, *msgspec.structs.astuple(point)) for point in points]
                )

    def finish(self) -> sqlite_utils.Database:
        """Add what makes queries fast, and give the file its final name."""
        with _sqlite_errors(self._partial), storage_errors(self.path):
            self._connection.execute("COMMIT")
            for columns in (["decision_id"], ["proposal_id"], ["word"], ["at_us"]):
                self.db.table("decisions").create_index(columns, if_not_exists=True)
            self.db.table("objections").create_index(["track", "seq"], if_not_exists=True)
            self.db.table("objections").create_index(["track", "rule"], if_not_exists=True)
            # SQLite will not write to a file that was renamed under it, and summing up adds a little.
            self._connection.close()
            self._partial.replace(self.path)
            self.place = self.path
            self._connection = sqlite3.connect(self.path, isolation_level=None)
            self.db = sqlite_utils.Database(self._connection)
        return self.db

    def close(self) -> None:
        """Close the file as it is: whole if finished, to be resumed if stopped."""
        self._connection.close()
        self._unlock()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._connection.close()
        for leftover in (self._partial, self._partial.with_name(self._partial.name + "-journal")):
            leftover.unlink(missing_ok=True)
        self._unlock()


_VIEWS: Final = {
    "differences": """
        select a.seq, a.proposal_id, a.agent, a.action, a.word as word, a.rule as rule,
               b.word as other_word, b.rule as other_rule
        from decisions a join decisions b on b.seq = a.seq and b.track = 1
        where a.track = 0 and (a.word != b.word or a.shadowed != b.shadowed)""",
    "rules_fired": """
        select track, gate, rule, ruling, count(*) as decisions
        from objections group by track, gate, rule, ruling order by decisions desc""",
}


def find_decision(path: Path, decision_id: DecisionId, track: int = 0) -> tuple[bytes, bytes] | None:
    """Return a decision's proposal and verdict facts in canonical JSON, or `None` if it is not there.

    Raises `InputError` when the file is no results file.
    """
    if not path.exists():
        raise InputError(
            "no such file", place=str(path), cure="run watchkeeper replay or watchkeeper demo first"
        )
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "select d.line, b.body, p.line from decisions d join blocks b using (block) "
                "join decisions p on p.seq = d.seq and p.track = 0 where d.decision_id = ? and d.track = ?",
                (decision_id, track),
            ).fetchone()
        if found is None:
            return None
        line, body, first = found
        lines = zstandard.ZstdDecompressor().decompress(body).split(b"\n")
        return lines[first - 1], lines[line]
    except (sqlite3.DatabaseError, zstandard.ZstdError, IndexError) as failure:
        raise InputError(
            f"not a results file: {failure}", place=str(path), cure="name a file replay wrote"
        ) from None


def _only_writer(path: Path, partial: Path) -> WriterLock:
    """Take the right to write a results file. It goes when its holder dies; what that left can be resumed."""
    try:
        return WriterLock(str(partial))
    except JournalBusy:
        raise InputError(
            "another replay is writing this file", place=str(path), cure="wait, or name another --results"
        ) from None
    except StorageError:
        Path(f"{partial}.lock").unlink(missing_ok=True)
        raise


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as failure:
        cure = "free space or permissions, then try again"
        raise StorageError(f"cannot be written: {failure}", place=str(path), cure=cure) from failure
    except sqlite3.DatabaseError as failure:
        raise InputError(
            f"not a results file: {failure}", place=str(path), cure="leave out --resume"
        ) from failure
