"""A disk that fills up half-way: one line, status 2, and nothing half written."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import DEMO, PROGRAM, environment, here, tree
from tests.importers.mappings import MANY, METRIC

pytestmark = pytest.mark.unmeasured

FULL = Path("/dev/full")


def run_limited(*words: object, cwd: Path, most_bytes: int) -> subprocess.CompletedProcess[str]:
    """Run the program where no file may grow past so many bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    # Measuring coverage writes a file too, and would be the one to fail.
    plain = {name: value for name, value in environment().items() if not name.startswith("COV")}
    return subprocess.run(
        [*PROGRAM, *map(str, words)],
        cwd=cwd,
        env=plain,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )


def is_one_line(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """Check that this is a refusal and no crash."""
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("watchkeeper: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for words in said:
        assert words in done.stderr


@pytest.mark.parametrize(
    ("most_bytes", "named"),
    [(0, "r.sqlite"), (8_192, "r.sqlite"), (200_000, "r.sqlite"), (600_000, "r.sqlite")],
)
def test_results_that_do_not_fit(place, most_bytes, named):
    before = tree(place)
    is_one_line(run_limited("replay", DEMO, "--results", "r.sqlite", cwd=place, most_bytes=most_bytes), named)
    assert tree(place) == before


def test_a_journal_that_does_not_fit(place):
    assert here("replay", DEMO).exit_code == 0
    before = tree(place)
    done = run_limited("replay", DEMO, "--journal", "j.db", cwd=place, most_bytes=2_000_000)
    is_one_line(done, "j.db", "then retry")
    assert [name for name in tree(place) if "j.db" in name] == []
    assert tree(place).keys() == before.keys()


def test_a_report_that_does_not_fit(place, tiny):
    before = tree(place)
    done = run_limited("replay", tiny, "--report", "r.html", cwd=place, most_bytes=100_000)
    is_one_line(done, "r.html", "may not grow")
    assert [name for name in tree(place) if not name.startswith(".watchkeeper/replays")] == list(before)


@pytest.mark.parametrize("most_bytes", [0, 100, 5_000])
def test_an_import_that_does_not_fit(place, most_bytes):
    (place / "log.csv").write_text(MANY)
    (place / "map.yaml").write_text(METRIC)
    before = tree(place)
    words = "import generic log.csv -o out.wkr --mapping map.yaml".split()
    is_one_line(run_limited(*words, cwd=place, most_bytes=most_bytes), "out.wkr", "may not grow")
    assert tree(place) == before
    is_one_line(
        run_limited("replay", "generic:log.csv", "--mapping", "map.yaml", cwd=place, most_bytes=most_bytes)
    )
    assert tree(place) == before


def test_an_export_that_does_not_fit(place, made):
    assert here("replay", made, "--journal", "j.db").exit_code == 0
    before = tree(place)
    done = run_limited("journal", "export", "--journal", "j.db", "-o", "out", cwd=place, most_bytes=100_000)
    is_one_line(done, "out: ", "may not grow")
    # SQLite keeps house beside a journal while somebody reads it, and tidies up when it can.
    assert {name for name in tree(place) if not name.endswith(("-wal", "-shm"))} == before.keys()


def test_a_full_disk_keeps_what_was_there_before(place):
    assert here("replay", DEMO, "--results", "r.sqlite", "--report", "r.html").exit_code == 0
    before = tree(place)
    words = ("replay", DEMO, "--results", "r.sqlite", "--report", "r.html")
    is_one_line(run_limited(*words, cwd=place, most_bytes=300_000))
    assert tree(place) == before


@pytest.mark.skipif(not FULL.exists(), reason="this machine has no /dev/full")
@pytest.mark.parametrize("option", ["--json", "--report"])
def test_an_output_that_is_always_full(place, tiny, option):
    result = here("replay", tiny, option, FULL)
    assert result.exit_code == 2
    assert result.stderr.startswith("watchkeeper: /dev/full: the disk is full (free space")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(not FULL.exists(), reason="this machine has no /dev/full")
@pytest.mark.parametrize(
    "words", [["replay", DEMO], ["policy", "check"], ["recording", "info", DEMO], ["--help"]]
)
def test_standard_output_that_is_always_full(place, words):
    with FULL.open("w") as full:
        done = subprocess.run(
            [*PROGRAM, *map(str, words)],
            cwd=place,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    is_one_line(done, "standard output: the disk is full")


@pytest.fixture
def small_disk(place) -> Iterator[Path]:
    """A file system of 256 KiB, where this user may make one."""
    folder = place / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "watchkeeper-tests", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as missing:
        pytest.skip(f"nothing to mount with: {missing}")
    if done.returncode != 0:
        pytest.skip(f"may not mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            os.chdir(place)
        # Lazily: a test that fails keeps its files open, and should not fail twice.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("option", ["--results", "--report", "--json", "--journal"])
def test_a_disk_that_fills_up(place, small_disk, option):
    (small_disk / "ballast").write_bytes(bytes(252 * 1024))
    before = tree(small_disk)
    result = here("replay", DEMO, option, small_disk / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"watchkeeper: {small_disk / 'out'}")
    assert result.stderr.count("\n") == 1
    assert "full" in result.stderr
    assert tree(small_disk) == before


@pytest.mark.parametrize("words", [["replay", DEMO], ["demo", "--headless"]])
def test_a_data_folder_that_fills_up(place, small_disk, words, monkeypatch):
    (small_disk / "ballast").write_bytes(bytes(220 * 1024))
    monkeypatch.setenv("WATCHKEEPER_HOME", str(small_disk / "home"))
    before = tree(small_disk)
    result = here(*words)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "full" in result.stderr
    assert tree(small_disk) == before
