"""A journal handed on: lines that prove themselves, tables, queries and the running tail."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from engine.adapters import journal_tables
from engine.adapters.journal_export import export, export_line, tail, verify_export
from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.journal_tables import query
from engine.core.vocabulary.chain import Head
from engine.core.vocabulary.facts import ProposalReceived, VerdictReached, encode
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EpisodeId,
    ProposalId,
    RuleId,
)
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.verdicts import Answer, Assessment, Risk, Verdict, Wait
from engine.errors import ChainBroken, InputError, JournalError, StorageError, WatchkeeperError
from engine.ports import Entry
from tests.journal.making import START_US, entries, entry, fill, plain

IMPACT = Impact(cost_usd=Decimal("12.50"), files=3, api_calls=7)


def decided() -> list[Entry]:
    """A proposal and the verdict on it."""
    proposal = Proposal(
        proposal_id=ProposalId("p-1"),
        agent=AgentId("coder-1"),
        capability=CapabilityId("deploy@2"),
        action=ActionName("deploy"),
        episode=EpisodeId("e-1"),
        impact=IMPACT,
        confidence=0.5,
    )
    verdict = Verdict(
        decision_id=DecisionId("d_1"),
        proposal_id=ProposalId("p-1"),
        at_us=START_US,
        word="hold",
        shadowed=True,
        waits=(Wait(kind="person", role="responder"), Wait(kind="votes", role="voters", needed=3, of=5)),
        agent=AgentId("coder-1"),
        capability=CapabilityId("deploy@2"),
        action=ActionName("deploy"),
        episode=EpisodeId("e-1"),
        impact=IMPACT,
        digest=Digest("00"),
        policy_hash=Digest("11"),
        answers=(
            Answer(gate="limits", ruling="allow"),
            Answer(gate="rules", ruling="escalate", reason="friday", rule="no-friday", owner="captain"),
        ),
        assessment=Assessment(
            kind="write",
            risk=Risk(level="HIGH", score=61, parts=()),  # type: ignore[arg-type]  # its name is as good
            shadow_rules=(RuleId("quiet"),),
            options=(),
            confidence=0.5,
            environment="production",
            answers=(Answer(gate="escalation", ruling="escalate", reason="unsure", rule="confidence"),),
        ),
    )
    return [
        Entry("p-1", encode(ProposalReceived(at_us=START_US, proposal=proposal))),
        Entry("d-1", encode(VerdictReached(at_us=START_US, verdict=verdict))),
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with metrics, messages, stops, a proposal and its verdict, and one body nobody knows."""
    path = tmp_path_factory.mktemp("export") / "journal.db"
    with SqliteJournal(path) as journal:
        journal.append([*entries(40), *decided(), Entry("odd", b'{"fact":["odd"],"at_us":1e300}')])
    return path


@pytest.fixture
def reader(file: Path) -> Iterator[SqliteReader]:
    with SqliteReader(file) as opened:
        yield opened


# ---------------------------------------------------------------- lines of JSON


def test_an_export_proves_itself(reader: SqliteReader, tmp_path: Path) -> None:
    head = export(reader, tmp_path / "out.jsonl")
    assert verify_export(tmp_path / "out.jsonl") == head == reader.head()
    assert verify_export(tmp_path / "out.jsonl", anchor=head) == head
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 44))
    assert set(lines[0]) == {"seq", "key", "prev", "hash", "fact"}
    assert lines[40]["fact"]["proposal"]["impact"]["cost_usd"] == "12.50"


def test_both_journals_export_the_same_bytes(tmp_path: Path) -> None:
    memory = MemoryJournal()
    memory.append(entries(20))
    fill(tmp_path / "journal.db", 20)
    export(memory, tmp_path / "memory")
    with SqliteReader(tmp_path / "journal.db") as reader:
        export(reader, tmp_path / "sqlite")
    assert (tmp_path / "memory").read_bytes() == (tmp_path / "sqlite").read_bytes()


def test_an_empty_journal_exports_an_empty_file(tmp_path: Path) -> None:
    assert export(MemoryJournal(), tmp_path / "out") == Head()
    assert verify_export(tmp_path / "out") == Head()


def test_a_changed_export_is_found(reader: SqliteReader, tmp_path: Path) -> None:
    head = export(reader, tmp_path / "out")
    lines = (tmp_path / "out").read_bytes().splitlines(keepends=True)
    other = tmp_path / "other"

    def said(changed: list[bytes], anchor: Head | None = None) -> str:
        other.write_bytes(b"".join(changed))
        with pytest.raises(WatchkeeperError) as caught:
            verify_export(other, anchor=anchor)
        return str(caught.value)

    assert "record 5 was altered" in said(
        [*lines[:4], lines[4].replace(b"coder", b"other").replace(b"0.5", b"0.6"), *lines[5:]]
    )
    assert "record 5 is missing" in said([*lines[:4], *lines[5:]])
    assert "record 1 is missing" in said(lines[1:])
    assert "cut off after record 42" in said(lines[:-1], head)
    assert "other:43: not a record" in said([*lines[:-1], lines[-1][:-20]])
    assert "other:2: not a record" in said([lines[0], b"\n"])
    assert "other:1: not a record" in said([lines[0].replace(b'"prev":"00', b'"prev":"zz')])
    assert "other:1: not a record" in said([b"\xff\xfe"])


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    class Failing(MemoryJournal):
        def read(self, *, after: int = 0, until: int | None = None) -> Iterator:  # type: ignore[type-arg]  # never gives one
            yield from super().read(after=after, until=1)
            raise StorageError("the disk refused")

    journal = Failing()
    journal.append(entries(3))
    for fmt in ("jsonl", "sqlite"):
        with pytest.raises(StorageError):
            export(journal, tmp_path / "out", fmt)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- tables


def test_the_tables_hold_every_record_and_flat_verdicts(reader: SqliteReader, tmp_path: Path) -> None:
    assert export(reader, tmp_path / "out.db", "sqlite") == reader.head()
    with plain(tmp_path / "out.db") as connection:
        connection.row_factory = sqlite3.Row
        records = connection.execute("SELECT * FROM records ORDER BY seq").fetchall()
        (verdict,) = map(dict, connection.execute("SELECT * FROM verdicts"))
    stored = list(reader.read())
    assert [(r["seq"], r["key"], r["body"].encode(), r["hash"]) for r in records] == [
        (r.seq, r.key, r.body, r.hash.hex()) for r in stored
    ]
    assert dict(records[40]) | {"body": "", "hash": ""} == {
        "seq": 41, "time": "2023-11-14T22:13:20Z", "at_us": START_US, "fact": "proposal_received",
        "agent": "coder-1", "capability": "deploy@2", "action": "deploy", "episode": "e-1",
        "proposal_id": "p-1", "key": "p-1", "hash": "", "body": "",
    }  # fmt: skip
    assert verdict == {
        "seq": 42, "time": "2023-11-14T22:13:20Z", "at_us": START_US, "decision_id": "d_1",
        "proposal_id": "p-1", "word": "hold", "shadowed": 1, "agent": "coder-1", "capability": "deploy@2",
        "action": "deploy", "episode": "e-1", "environment": "production", "cost_usd": 12.5, "files": 3,
        "api_calls": 7, "confidence": 0.5, "risk": "HIGH", "risk_score": 61, "gates": "rules, escalation",
        "rules": "no-friday, confidence", "reasons": "friday; unsure",
        "waits": "1 person (responder), 3 votes (voters)", "policy_hash": "11",
    }  # fmt: skip
    assert (records[42]["fact"], records[42]["at_us"], records[42]["time"]) == ('["odd"]', None, None)
    assert set(verdict) == set(journal_tables.VERDICT_COLUMNS)


def test_bodies_of_any_shape_become_rows(tmp_path: Path) -> None:
    journal = MemoryJournal()
    bodies = [
        b'{"fact":"verdict_reached","verdict":null,"at_us":9223372036854775807}',
        b'{"fact":"verdict_reached","verdict":{"waits":[1],"answers":{},"assessment":[],"impact":{"cost_usd":"x"}}}',
        b'{"proposal":7,"agent":{"a":1}}',
    ]
    journal.append([Entry(str(number), body) for number, body in enumerate(bodies)])
    export(journal, tmp_path / "out.db", "sqlite")
    with plain(tmp_path / "out.db") as connection:
        assert connection.execute(
            "SELECT count(*), count(cost_usd), max(waits) FROM verdicts"
        ).fetchone() == (2, 0, "")
        assert connection.execute("SELECT agent FROM records WHERE seq = 3").fetchone() == ('{"a":1}',)


def test_tables_that_cannot_be_written_are_one_clear_refusal(tmp_path: Path) -> None:
    script = """
import resource, sys
from engine.adapters.journal_export import export
from engine.adapters.journal_memory import MemoryJournal
from engine.errors import StorageError
from tests.journal.making import entries
journal = MemoryJournal()
journal.append(entries(3_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    export(journal, sys.argv[1], "sqlite")
except StorageError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "out"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith(f"{tmp_path}/out: ")
    assert "check space" in said
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- queries


def test_a_query_gives_rows_as_dictionaries(file: Path) -> None:
    rows = query(
        file, "SELECT fact, count(*) AS n FROM journal WHERE seq <= ? GROUP BY fact ORDER BY n DESC", [40]
    )
    assert list(rows) == [
        {"fact": "metric_observed", "n": 31},
        {"fact": "message_observed", "n": 5},
        {"fact": "kill_switch_set", "n": 4},
    ]


def test_a_query_takes_named_values_and_reads_columns_computed_from_the_body(file: Path) -> None:
    (row,) = query(file, "SELECT seq, at_us, json_extract(body, '$.proposal.agent') AS agent FROM journal"
                         " WHERE fact = :fact", {"fact": "proposal_received"})  # fmt: skip
    assert row == {"seq": 41, "at_us": START_US, "agent": "coder-1"}


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM journal", "can only read"),
        ("DELETE FROM journal RETURNING seq", "can only read"),
        ("INSERT INTO journal(seq) VALUES (1)", "can only read"),
        ("UPDATE journal SET body = '' RETURNING 1", "can only read"),
        ("DROP TABLE journal", "can only read"),
        ("ATTACH 'other.db' AS other", "can only read"),
        ("VACUUM INTO 'other.db'", "can only read"),
        ("PRAGMA writable_schema = ON", "can only read"),
        ("PRAGMA journal_mode = DELETE", "can only read"),
        ("CREATE TEMP TABLE x(y)", "can only read"),
        ("BEGIN", "can only read"),
        ("SELECT load_extension('x')", "can only read"),
        ("SELEC 1", "syntax error"),
        ("SELECT nowhere FROM journal", r"no such column: nowhere \(columns of journal: seq, key, fact"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT ?", "bindings"),
        ("", "can only read"),
    ],
)
def test_a_query_that_is_no_question_is_one_clear_refusal(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = file.read_bytes()
    with pytest.raises(InputError, match=said) as caught:
        list(query(file, sql))
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_the_shape_of_the_tables_can_be_asked(file: Path) -> None:
    names = [row["name"] for row in query(file, "PRAGMA table_xinfo(journal)")]
    assert names == ["seq", "key", "body", "prev", "hash", "fact", "at_us"]


def test_a_query_in_a_process_that_has_the_journal_open_is_refused(tmp_path: Path) -> None:
    """Two copies of SQLite in one process drop each other's locks; see `is_open_here`."""
    path = tmp_path / "journal.db"
    with SqliteJournal(path), pytest.raises(JournalError, match="this process has the journal open"):
        list(query(path, "SELECT 1"))
    assert list(query(path, "SELECT count(*) AS n FROM journal")) == [{"n": 0}]


def test_a_query_beside_a_writing_process_sees_what_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    script = "import sys; from engine.adapters.journal_tables import query; print(*query(*sys.argv[1:]))"
    root = Path(__file__).resolve().parents[2]
    with SqliteJournal(path) as journal:
        journal.append(entries(7))
        answer = subprocess.run(
            [sys.executable, "-c", script, path, "SELECT count(*) AS n FROM journal"],
            cwd=root, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert answer.stdout == "{'n': 7}\n"
        assert journal.append(entries(8))[-1].seq == 8
        assert journal.verify().seq == 8


def test_querying_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such journal"):
        list(query(tmp_path / "journal.db", "SELECT 1"))
    (tmp_path / "notes").write_text("dear diary" * 100)
    with pytest.raises(JournalError, match="not a Watchkeeper journal"):
        list(query(tmp_path / "notes", "SELECT 1"))


def test_querying_a_damaged_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 500)
    image = bytearray(path.read_bytes())
    image[8192:] = b"\xff" * (len(image) - 8192)
    path.write_bytes(image)
    with pytest.raises((JournalError, ChainBroken), match=r"malformed|damaged"):
        list(query(path, "SELECT sum(length(body)) FROM journal"))


# ---------------------------------------------------------------- tail


def test_tail_gives_the_last_records(reader: SqliteReader) -> None:
    assert [record.seq for record in tail(reader, 3)] == [41, 42, 43]
    assert len(list(tail(reader, 1_000))) == 43
    assert list(tail(reader, 0)) == []


def test_tail_follows_what_comes() -> None:
    journal = MemoryJournal()
    journal.append(entries(5))
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) % 2 == 0:
            journal.append([entry(100 + len(naps)), entry(200 + len(naps))])

    following = tail(journal, 2, follow=True, poll_s=0.5, sleep=nap)
    assert [next(following).seq for _ in range(6)] == [4, 5, 6, 7, 8, 9]
    assert naps == [0.5] * 4


def test_a_line_keeps_the_bytes_that_were_hashed(reader: SqliteReader) -> None:
    for record in reader.read():
        assert export_line(record).endswith(b',"fact":' + record.body + b"}")
    with closing(MemoryJournal()) as journal:
        (record,) = journal.append([Entry('quo"te\\', b'{"n":1.50}')])
        assert json.loads(export_line(record))["key"] == 'quo"te\\'
