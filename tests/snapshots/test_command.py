"""`watchkeeper snapshot` as people use it."""

import json
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.restore_notes import clear_notes, leave_note, note_of, read_notes
from engine.adapters.snapshot_store import SnapshotStore
from engine.core.vocabulary.facts import SnapshotRestored
from engine.errors import StorageError
from engine.runtime.wire import Answered, Done, Failed, Tell, decode_asked, encode_line
from tests.house.tree import ROOT
from tests.journal.making import entries, fill
from tests.snapshots.making import sample, seen
from watchkeeper.cli import main


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A state folder with a workspace, a configuration and a journal, short enough to hold a socket."""
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    sample(tmp_path / "home" / "workspace")
    shutil.copytree(ROOT / "config", tmp_path / "home" / "config")
    fill(tmp_path / "home" / "journal.db", 30)
    return tmp_path / "home"


def run(*words: object, say: str = "") -> Result:
    """Run the command within this process; a bug comes out as it is."""
    result = CliRunner().invoke(main, ["snapshot", *map(str, words)], input=say, prog_name="watchkeeper")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def create() -> str:
    """Take a snapshot and return its id."""
    result = run("create")
    assert result.exit_code == 0, result.stderr
    return result.stdout.split()[0]


def test_create_says_what_it_took_and_list_shows_it(home):
    result = run("create")
    lines = result.stdout.splitlines()
    assert " files and 30 records, " in lines[0]
    assert lines[1:] == [
        f"  workspace  {home}/workspace",
        f"  config     {home}/config",
        f"  journal    {home}/journal.db",
    ]
    listed = run("list").stdout
    assert lines[0].split()[0] in listed
    assert "config workspace journal" in listed
    [read] = json.loads(run("list", "--json").stdout)
    assert read["snapshot_id"] == lines[0].split()[0]
    assert read["journal_seq"] == 30


def test_nothing_is_listed_where_nothing_was_taken(home):
    assert run("list").stdout == ""
    result = run("restore", "latest")
    assert result.exit_code == 2
    assert "no snapshot 'latest' (`watchkeeper snapshot list` shows what there is)" in result.stderr


def test_the_workspace_is_where_the_service_file_says(home):
    sample(home.parent / "elsewhere")
    file = home / "config" / "watchkeeper.yaml"
    file.write_text(file.read_text().replace("path: null", "path: ../elsewhere"))
    create()
    [info] = SnapshotStore(home / "snapshots").list()
    assert info.roots["workspace"] == home.parent / "elsewhere"


def test_the_oldest_go_as_the_service_file_says(home):
    file = home / "config" / "watchkeeper.yaml"
    file.write_text(file.read_text().replace("keep: 48", "keep: 2 "))
    ids = [create() for _ in range(4)]
    assert [info.snapshot_id for info in SnapshotStore(home / "snapshots").list()] == ids[2:]


def test_what_is_left_out_and_odd_is_said(home):
    create()
    os.mkfifo(home / "workspace" / "pipe")
    (home / "journal.db").unlink()
    with SqliteJournal(home / "journal.db") as journal:
        journal.append(entries(5, 1000))
    result = run("create", "--exclude", "src/")
    assert "1 name left out" in result.stderr
    assert "does not go on from the last snapshot's" in result.stderr


def test_restore_shows_asks_and_swaps(home):
    snapshot_id = create()
    before = seen(home / "workspace")
    (home / "workspace" / "key").unlink()
    for number in range(8):
        (home / "workspace" / f"new-{number}\x1b[2J").touch()
    changed = seen(home / "workspace")
    refused = run("restore", "latest", say="n\n")
    assert refused.exit_code == 1
    assert seen(home / "workspace") == changed
    assert f"workspace: {home}/workspace: 1 come back, 0 change, 8 go away, 13 stay" in refused.stdout
    assert "    + key\n" in refused.stdout
    assert "    - and 3 more\n" in refused.stdout
    assert "\x1b" not in refused.stdout
    done = run("restore", snapshot_id[:16], say="y\n")
    assert done.exit_code == 0, done.stderr
    assert seen(home / "workspace") == before
    safety = SnapshotStore(home / "snapshots").list()[-1].snapshot_id
    assert f"what was there is snapshot {safety}" in done.stdout
    run("restore", safety, "--yes")
    assert seen(home / "workspace") == changed


def test_a_rehearsal_writes_all_parts_into_a_new_folder(home, tmp_path):
    create()
    result = run("restore", "latest", "--to", tmp_path / "drill")
    assert result.exit_code == 0, result.stderr
    assert seen(tmp_path / "drill" / "workspace") == seen(home / "workspace")
    assert seen(tmp_path / "drill" / "config") == seen(home / "config")
    with SqliteReader(tmp_path / "drill" / "journal.db") as reader:
        assert reader.verify().seq == 30
    assert read_notes(home) == []
    again = run("restore", "latest", "--to", tmp_path / "drill")
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_a_rehearsal_that_fails_leaves_no_folder(home, tmp_path):
    create()
    for path in (home / "snapshots" / "chunks").glob("??/*"):
        path.write_bytes(b"")
    result = run("restore", "latest", "--to", tmp_path / "drill")
    assert result.exit_code == 2
    assert "cannot be restored" in result.stderr
    assert not (tmp_path / "drill").exists()


def test_the_journal_goes_back_only_when_asked_for_by_name(home):
    create()
    with SqliteJournal(home / "journal.db") as journal:
        journal.append(entries(10, 30))
    run("restore", "latest", "--yes")
    with SqliteReader(home / "journal.db") as reader:
        assert reader.head().seq == 40
    oldest = SnapshotStore(home / "snapshots").list()[0].snapshot_id
    result = run("restore", oldest, "--part", "journal", "--yes")
    assert f"{home}/journal.db goes back to record 30; the present one is kept" in result.stdout
    [kept] = home.glob("journal-before-*.db")
    assert f"the journal that was there is kept at {kept}" in result.stdout
    with SqliteReader(home / "journal.db") as reader, SqliteReader(kept) as other:
        assert (reader.verify().seq, other.verify().seq) == (30, 40)


def test_the_journal_stays_where_an_engine_writes_it(home):
    create()
    with SqliteJournal(home / "journal.db"):
        result = run("restore", "latest", "--part", "journal", "--yes")
    assert result.exit_code == 2
    assert f"process {os.getpid()} is writing this journal" in result.stderr


def test_a_part_that_is_not_there_is_refused(home):
    (home / "journal.db").unlink()
    assert "journal    there is none" in run("create").stdout
    result = run("restore", "latest", "--part", "journal", "--yes")
    assert result.exit_code == 2
    assert "has no journal (it has config, workspace)" in result.stderr


def test_verify_names_what_is_damaged_and_ends_with_status_1(home):
    snapshot_id = create()
    assert "ok 1 snapshot, " in run("verify").stdout
    assert "journal to record 30" in run("verify", "latest").stdout
    for path in (home / "snapshots" / "chunks").glob("??/*"):
        path.write_bytes(b"")
    result = run("verify")
    assert result.exit_code == 1
    assert f"DAMAGED {snapshot_id} workspace/src/main.py: chunk " in result.stderr
    assert create()
    assert run("verify").exit_code == 0


# ---------------------------------------------------------------- telling the engine


def test_a_restore_is_left_for_the_next_engine_to_journal(home):
    snapshot_id = create()
    run("restore", "latest", "--yes")
    [note] = read_notes(home)
    assert (note.fact.snapshot_id, note.fact.parts) == (snapshot_id, ("workspace",))
    assert note.key == f"restored:{snapshot_id}:{note.fact.at_us}"
    run("restore", snapshot_id, "--yes", "--part", "config", "--part", "workspace")
    assert [note.fact.parts for note in read_notes(home)] == [("workspace",), ("config", "workspace")]


@pytest.fixture
def engine(home):
    """An engine's socket: collects what it is asked, and gives the answer that stands in `reply`."""
    asked, reply = [], [Done()]
    with socket.socket(socket.AF_UNIX) as listening:
        # A socket's name may have about a hundred bytes.
        os.chdir(home)
        listening.bind("engine.sock")
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line, line.makefile("rwb") as talk:
                    if request := talk.readline():
                        asked.append(decode_asked(request))
                        talk.write(encode_line(Answered(asked[-1].number, reply[0])) + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked, reply
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_running_engine_journals_a_restore_at_once(home, engine, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", ".")
    asked, _ = engine
    snapshot_id = create()
    result = run("restore", "latest", "--yes")
    assert result.exit_code == 0, result.stderr
    [request] = asked
    assert isinstance(request.request, Tell)
    assert request.request.fact.snapshot_id == snapshot_id
    assert read_notes(home) == []


def test_an_engine_that_refuses_leaves_it_to_the_next(home, engine, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", ".")
    asked, reply = engine
    reply[0] = Failed(kind="StorageError", message="no")
    create()
    assert run("restore", "latest", "--yes").exit_code == 0
    [note] = read_notes(home)
    assert asked[0].request.key == note.key


def test_the_workspace_is_not_pulled_from_under_effects(home, engine, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", ".")
    create()
    (home / "inflight").mkdir()
    (home / "inflight" / "d_1").touch()
    result = run("restore", "latest", "--yes")
    assert result.exit_code == 2
    assert "under way in the workspace: 1 effect (" in result.stderr
    assert "put a stop up" in result.stderr


def test_what_began_while_somebody_was_asked_is_not_pulled_from_under_either(home, engine, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", ".")
    create()
    (home / "inflight").mkdir()
    monkeypatch.setattr("click.confirm", lambda *_, **__: (home / "inflight" / "d_1").touch())
    result = run("restore", "latest")
    assert result.exit_code == 2
    assert "under way in the workspace: 1 effect (" in result.stderr


def test_effects_of_an_engine_that_is_gone_are_in_nobodys_way(home):
    create()
    (home / "inflight").mkdir()
    (home / "inflight" / "d_1").touch()
    assert run("restore", "latest", "--yes").exit_code == 0


def test_notes_are_kept_in_order_until_they_are_cleared(tmp_path):
    notes = [
        note_of(SnapshotRestored(at_us=number, snapshot_id="s", by="ada", parts=("workspace",)))
        for number in range(3)
    ]
    for note in notes:
        leave_note(tmp_path, note)
    assert read_notes(tmp_path) == notes
    clear_notes(tmp_path, frozenset({notes[1].key}))
    assert read_notes(tmp_path) == [notes[0], notes[2]]
    clear_notes(tmp_path, frozenset({notes[0].key, notes[2].key}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"key":1}]'])
def test_a_note_that_cannot_be_read_is_named(tmp_path, content):
    Path(tmp_path / "restored.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"restored\.json: is not a list of restores"):
        read_notes(tmp_path)
