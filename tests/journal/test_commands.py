"""`watchkeeper journal` as people use it."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.adapters.anchor import read_anchor
from engine.adapters.journal_export import verify_export
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.errors import InputError, WatchkeeperError
from engine.ports import Entry
from tests.journal.making import fill, plain, unguarded
from watchkeeper.commands_journal import journal


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a journal of 1,234 records in it."""
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    fill(tmp_path / "home" / "journal.db", 1_234)
    return tmp_path


def run(*arguments: str | Path) -> Result:
    """Run a command; our own errors come out as they are, for the program's top level to show."""
    result = CliRunner().invoke(journal, [str(argument) for argument in arguments])
    if isinstance(result.exception, WatchkeeperError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def test_verify_says_how_many_and_where_it_ends(home: Path) -> None:
    result = run("verify")
    with SqliteReader(home / "home" / "journal.db") as reader:
        head = reader.head()
    assert result.output == f"ok 1,234 records, head 1234:{head.hash.hex()[:16]}…\n"
    assert result.exit_code == 0


def test_verify_writes_an_anchor_and_checks_against_it(home: Path) -> None:
    path, anchor = home / "home" / "journal.db", home / "anchor"
    assert run("verify", "--write-anchor", anchor).exit_code == 0
    assert read_anchor(anchor).head.seq == 1_234
    assert str(path) in read_anchor(anchor).origin
    assert run("verify", "--anchor", anchor).exit_code == 0
    with unguarded(path) as connection:
        connection.execute("DELETE FROM journal WHERE seq > 1230")
    assert run("verify").exit_code == 0
    before = anchor.read_bytes()
    result = run("verify", "--anchor", anchor, "--write-anchor", anchor)
    assert result.exit_code == 1
    assert "cut off after record 1230: the anchor was written at record 1234" in result.stderr
    assert f"anchor: {anchor}, written for " in result.stderr
    assert anchor.read_bytes() == before


def test_verify_names_the_record_that_was_altered_and_exits_1(home: Path) -> None:
    path = home / "home" / "journal.db"
    with unguarded(path) as connection:
        connection.execute("UPDATE journal SET body = replace(body, 'ada', 'eve') WHERE seq = 12")
    result = run("verify", "--journal", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        f"BROKEN {path}: record 12 was altered: its hash does not fit its bytes ("
    )
    assert result.stderr.count("\n") == 1


def test_verify_of_a_damaged_file_exits_1_too(home: Path) -> None:
    path = home / "home" / "journal.db"
    image = path.read_bytes()
    path.write_bytes(image[: len(image) // 2])
    assert run("verify").exit_code == 1


@pytest.mark.parametrize("command", [("verify",), ("tail",), ("query", "SELECT 1"), ("export", "-o", "out")])
def test_a_missing_journal_is_an_input_error_and_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WATCHKEEPER_HOME", raising=False)
    with pytest.raises(InputError, match=r"\.watchkeeper/journal\.db: no such journal"):
        run(*command)
    assert list(tmp_path.iterdir()) == []


def test_tail_shows_the_last_records_on_lines_that_fit(home: Path) -> None:
    lines = run("tail", "-n", "3").output.splitlines()
    assert [line.split()[0] for line in lines] == ["1232", "1233", "1234"]
    assert lines[0].split()[1:3] == ["2023-11-14T22:13:21.231000Z", "metric_observed"]
    assert all(len(line) <= 100 for line in lines)


def test_tail_in_json_gives_lines_of_an_export(home: Path) -> None:
    lines = run("tail", "-n", "5", "--json").output.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1230, 1231, 1232, 1233, 1234]


def test_tail_follow_ends_with_ctrl_c(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "engine.adapters.journal_export.tail.__kwdefaults__",
        {"follow": False, "poll_s": 0.1, "sleep": interrupt},
    )
    result = run("tail", "-n", "2", "--follow")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 2


def test_what_agents_write_cannot_steer_the_terminal(home: Path) -> None:
    with SqliteJournal(home / "home" / "journal.db") as opened:
        opened.append(
            [Entry("esc\x1b[2J", '{"fact":"x\\u001b[31m","text":"\\u001b]0;\u202eevil\\n"}'.encode())]
        )
    for command in (
        ("tail", "-n", "1"),
        ("query", "SELECT key, fact, body ->> '$.text' AS t FROM journal WHERE seq = 1235"),
    ):
        output = run(*command).output
        assert "\x1b" not in output
        assert "\u202e" not in output


def test_query_aligns_a_table_by_default(home: Path) -> None:
    output = run("query", "SELECT seq, key, NULL AS absent FROM journal WHERE seq IN (1, 1234)").output
    assert output.splitlines()[0] == " seq  key           absent"
    assert output.splitlines()[1] == "----  ------------  ------"
    assert output.splitlines()[2].startswith("   1  5feceb66ffc8")
    assert run("query", "SELECT 1 WHERE 0").output == ""


def test_query_in_json_and_csv_is_for_other_programs(home: Path) -> None:
    sql = "SELECT seq, prev, fact, NULL AS absent FROM journal WHERE seq <= 2"
    rows = json.loads(run("query", sql, "--json").output)
    assert rows[0] == {"seq": 1, "prev": "00" * 32, "fact": "kill_switch_set", "absent": None}
    table = list(csv.reader(io.StringIO(run("query", sql, "--csv").output)))
    assert table[0] == ["seq", "prev", "fact", "absent"]
    assert table[1] == ["1", "00" * 32, "kill_switch_set", ""]
    assert json.loads(run("query", "SELECT 1 WHERE 0", "--json").output) == []
    assert run("query", "SELECT 1 WHERE 0", "--csv").output == ""


def test_query_refuses_to_write(home: Path) -> None:
    with pytest.raises(InputError, match="can only read"):
        run("query", "DELETE FROM journal")


def test_export_writes_lines_or_tables(home: Path) -> None:
    result = run("export", "-o", home / "out.jsonl")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert result.stderr.startswith(f"wrote 1,234 records to {home / 'out.jsonl'}, head 1234:")
    assert verify_export(home / "out.jsonl").seq == 1_234
    run("export", "-o", home / "out.db", "--format", "sqlite")
    with plain(home / "out.db") as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (1_234,)


def test_export_to_where_nothing_can_be_is_refused(home: Path) -> None:
    for fmt in ("jsonl", "sqlite"):
        with pytest.raises(InputError, match="no such file or folder"):
            run("export", "-o", home / "nowhere" / "out", "--format", fmt)
        with pytest.raises(InputError, match="is a folder"):
            run("export", "-o", home, "--format", fmt)
