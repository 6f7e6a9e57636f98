"""What a promise is worth when the process is killed, the disk is full, or the disk lies."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.errors import InputError, JournalBusy
from engine.ports import Durability
from tests.journal.making import entries
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
WRITER = Path(__file__).with_name("writer_process.py")


def start(*command: str | Path) -> "subprocess.Popen[bytes]":
    """Start one of our programs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.PIPE, env=environment)


def run(text: str, *arguments: str | Path) -> list[str]:
    """Run a script in a process of its own and return the lines it printed. It must end well."""
    with start("-c", textwrap.dedent(text), *arguments) as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output.decode()
    return output.decode().splitlines()


# ---------------------------------------------------------------- kill -9


@pytest.mark.parametrize("threads", [1, 4])
def test_killing_the_writer_loses_nothing_it_acknowledged_and_frees_the_lock(
    tmp_path: Path, threads: int
) -> None:
    path = tmp_path / "journal.db"
    acknowledged: list[str] = []
    for turn in range(4):
        with start(WRITER, path, str(threads)) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            time.sleep(0.03 + 0.05 * turn)
            with pytest.raises(JournalBusy, match=f"process {process.pid} is writing"):
                SqliteJournal(path)
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.read().splitlines(keepends=True)
        # A last line that is cut off told nobody anything.
        acknowledged += [line.decode().strip() for line in lines if line.endswith(b"\n")]
        with SqliteJournal(path) as journal:
            stored = {record.key for record in journal.read()}
            assert journal.verify().seq == len(stored)
            assert set(acknowledged) <= stored
    assert len(acknowledged) > 40


def test_a_forked_child_neither_writes_nor_keeps_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    said, child = run(
        """
        import os, sys, time
        from engine.adapters.journal_sqlite import SqliteJournal
        from engine.errors import JournalError
        from engine.ports import Entry

        journal = SqliteJournal(sys.argv[1])
        inside, outside = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(1)
            try:
                journal.append([Entry("child", b"{}")])
            except JournalError as error:
                os.write(outside, type(error).__name__.encode())
            time.sleep(60)
            os._exit(0)
        print(os.read(inside, 100).decode(), child, sep="\\n", flush=True)
        os._exit(0)
        """,
        path,
    )
    try:
        assert said == "JournalError"
        with SqliteJournal(path) as journal:
            assert journal.append(entries(1))[0].seq == 1
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_one_process_cannot_write_through_two_doors(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db"):
        (tmp_path / "link.db").symlink_to(tmp_path / "journal.db")
        for name in ("journal.db", "link.db"):
            with pytest.raises(JournalBusy, match=f"process {os.getpid()} is writing"):
                SqliteJournal(tmp_path / name)
    SqliteJournal(tmp_path / "link.db").close()


# ---------------------------------------------------------------- synced means synced


def test_a_synced_append_of_a_known_relaxed_record_syncs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda handle: (synced.append(handle), real(handle)))
    with SqliteJournal(tmp_path / "journal.db") as journal:
        journal.append(entries(3), durability=Durability.RELAXED)
        journal.append(entries(3), durability=Durability.RELAXED)
        assert synced == []
        journal.append(entries(2))
        assert len(synced) == 1
        journal.append(entries(3))
        assert len(synced) == 1
        journal.append(entries(1, start=3))
        journal.append(entries(4))
        assert len(synced) == 1


FAILING_DISK = """
    import apsw, sys

    class Disk(apsw.VFS):
        failing = False

        def __init__(self):
            super().__init__("failing", "unix", makedefault=True)

        def xOpen(self, name, flags):
            return File(name, flags)

    class File(apsw.VFSFile):
        def __init__(self, name, flags):
            self.main = flags[0] & apsw.SQLITE_OPEN_MAIN_DB
            super().__init__("unix", name, flags)

        def xSync(self, flags):
            if Disk.failing == "sync":
                error = apsw.IOError("the disk lies")
                error.extendedresult = apsw.SQLITE_IOERR_FSYNC
                raise error
            return super().xSync(flags)

        def xWrite(self, data, offset):
            if Disk.failing == "write" or (Disk.failing == "write of the main file" and self.main):
                raise apsw.FullError("no space")
            return super().xWrite(data, offset)

    disk = Disk()

    from engine.adapters.journal_sqlite import SqliteJournal
    from engine.errors import StorageError
    from engine.ports import Durability, Entry, Snapshot
    from tests.journal.making import entries
    """


def test_after_a_failed_sync_nothing_is_promised_any_more_until_a_new_start(tmp_path: Path) -> None:
    """The system may drop pages it failed to write, so a later sync that succeeds would prove nothing."""
    lines = run(
        textwrap.dedent(FAILING_DISK)
        + textwrap.dedent("""
        journal = SqliteJournal(sys.argv[1])
        journal.append(entries(3))
        Disk.failing = "sync"
        for start in (3, 4):
            try:
                journal.append(entries(1, start=start))
            except StorageError as error:
                print(error.message)
            Disk.failing = False
        print(journal.head().seq)
        journal.close()
        """),
        tmp_path / "journal.db",
    )
    assert lines == [
        "the disk refused (SQLITE_IOERR_FSYNC)",
        "the disk failed to keep what was handed to it",
        "3",
    ]
    with SqliteJournal(tmp_path / "journal.db") as journal:
        assert journal.verify().seq in {3, 4}
        assert journal.append(entries(5))[-1].seq == 5


def test_a_full_disk_fails_everyone_who_shared_the_commit_and_nobody_after(tmp_path: Path) -> None:
    lines = run(
        textwrap.dedent(FAILING_DISK)
        + textwrap.dedent("""
        import threading
        journal = SqliteJournal(sys.argv[1])
        first = journal.append(entries(3))
        refused = []

        def work(number):
            try:
                journal.append(entries(2, start=10 * number))
            except StorageError as error:
                refused.append(error.message)

        Disk.failing = "write"
        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        for use in (
            lambda: journal.append(entries(1, start=99), durability=Durability.RELAXED),
            lambda: journal.save_snapshot(Snapshot(3, first[2].hash, b"x" * 10_000)),
        ):
            try:
                use()
            except StorageError as error:
                refused.append(error.message)
        Disk.failing = False
        print(len(refused), set(refused), journal.head().seq, journal.verify().seq)
        print(journal.append(entries(5))[-1].seq, journal.verify().seq)
        journal.close()
        """),
        tmp_path / "journal.db",
    )
    assert lines == ["10 {'the disk is full'} 3 3", "5 5"]


def test_a_checkpoint_that_finds_no_room_harms_no_append(tmp_path: Path) -> None:
    lines = run(
        textwrap.dedent(FAILING_DISK)
        + textwrap.dedent("""
        journal = SqliteJournal(sys.argv[1])
        journal.append(entries(8_000), durability=Durability.RELAXED)
        Disk.failing = "write of the main file"
        try:
            journal.maintain()
        except StorageError as error:
            print(error.message)
        journal._checkpoint_at = 1
        journal.append(entries(2, start=8_000))
        print(journal.head().seq)
        Disk.failing = False
        print(journal.verify().seq)
        journal.maintain()
        journal.close()
        """),
        tmp_path / "journal.db",
    )
    assert lines == ["the disk is full", "8002", "8002"]
    with SqliteReader(tmp_path / "journal.db") as reader:
        assert reader.verify().seq == 8_002


@pytest.mark.parametrize("inline", [False, True])
def test_a_sync_that_fails_in_a_checkpoint_ends_all_promises_too(tmp_path: Path, inline: bool) -> None:
    lines = run(
        textwrap.dedent(FAILING_DISK)
        + textwrap.dedent("""
        journal = SqliteJournal(sys.argv[1])
        journal.append(entries(8_000), durability=Durability.RELAXED)
        Disk.failing = "sync"
        try:
            if sys.argv[2] == "True":
                journal._checkpoint_at = 1
                print(len(journal.append(entries(1, start=8_000), durability=Durability.RELAXED)))
            else:
                journal.maintain()
        except StorageError as error:
            print(error.message)
        Disk.failing = False
        try:
            journal.append(entries(1, start=8_001))
        except StorageError as error:
            print(error.message)
        journal.close()
        """),
        tmp_path / "journal.db",
        str(inline),
    )
    first = "1" if inline else "the disk refused (SQLITE_IOERR_FSYNC)"
    assert lines == [first, "the disk failed to keep what was handed to it"]


# ---------------------------------------------------------------- no room


def test_a_file_that_may_not_grow_is_one_clear_refusal_and_the_journal_lives_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    lines = run(
        """
        import resource, sys
        from engine.adapters.journal_sqlite import SqliteJournal
        from engine.errors import StorageError
        from tests.journal.making import entries

        journal = SqliteJournal(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        done = 0
        try:
            while True:
                journal.append(entries(20, start=done))
                done += 20
        except StorageError as error:
            print(error)
        print(done, journal.head().seq, journal.verify().seq)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(journal.append(entries(1, start=done))[0].seq - done)
        journal.close()
        """,
        path,
    )
    assert lines[0].startswith(f"{path}: the disk")
    assert "check space" in lines[0]
    done, head, verified = map(int, lines[1].split())
    assert done == head == verified > 0
    assert lines[2] == "1"
    with SqliteJournal(path) as journal:
        assert journal.verify().seq == done + 1


def test_a_journal_that_cannot_be_made_leaves_nothing_half_made(tmp_path: Path) -> None:
    (line,) = run(
        """
        import resource, sys
        from engine.adapters.journal_sqlite import SqliteJournal
        from engine.errors import StorageError

        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, resource.RLIM_INFINITY))
        try:
            SqliteJournal(sys.argv[1])
        except StorageError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """,
        tmp_path / "new" / "journal.db",
    )
    assert line.startswith(f"{tmp_path}/new/journal.db: the disk")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["journal.db.lock"]


def test_a_folder_that_cannot_be_made_is_a_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is there already and is something else"):
        SqliteJournal(tmp_path / "file" / "journal.db")
    with pytest.raises(InputError, match="not a folder"):
        SqliteJournal(tmp_path / "file" / "deeper" / "journal.db")
