"""Announcements are kept, cut to a line, and never in the way."""

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.adapters.announcements import Announcements


@pytest.fixture
def path(tmp_path):
    return tmp_path / "announcements.jsonl"


def texts(announcements: Announcements, most: int = 1000) -> list[str]:
    return [one.text for one in announcements.recent(most)]


def test_what_was_told_is_kept_and_shown(path):
    screen = io.StringIO()
    announcements = Announcements(path, screen=screen)
    announcements.announce("stopped", "kim stopped all", urgent=True)
    announcements.announce("restarted", "worker-1 ended")
    first, second = announcements.recent(5)
    assert (first.kind, first.text, first.urgent) == ("stopped", "kim stopped all", True)
    assert (second.kind, second.urgent) == ("restarted", False)
    assert screen.getvalue() == "watchkeeper: kim stopped all\nwatchkeeper: worker-1 ended\n"
    assert json.loads(path.read_text().splitlines()[0])["at_us"] == first.at_us


def test_the_newest_are_given_oldest_first(path):
    announcements = Announcements(path)
    for number in range(10):
        announcements.announce("trouble", str(number))
    assert texts(announcements, 3) == ["7", "8", "9"]
    assert texts(announcements, 0) == []


def test_a_line_stays_a_line_and_says_nothing_to_the_terminal(path):
    screen = io.StringIO()
    Announcements(path, screen=screen).announce("trouble", "a\nb\x1b[31m\tc \udcff" + "d" * 5000)
    assert screen.getvalue().startswith("watchkeeper: a b [31m c")
    assert len(screen.getvalue().splitlines()) == 1
    assert len(texts(Announcements(path))) == 1


def test_past_its_size_the_file_moves_aside_and_nothing_recent_is_lost(path):
    announcements = Announcements(path, most_bytes=2_000)
    for number in range(100):
        announcements.announce("trouble", f"{number:03}")
    found = texts(announcements)
    assert found == [f"{number:03}" for number in range(100 - len(found), 100)]
    assert len(found) >= 20
    assert path.stat().st_size <= 2_000
    assert path.with_name("announcements.jsonl.1").stat().st_size <= 2_000


def test_broken_lines_are_left_out(path):
    announcements = Announcements(path)
    announcements.announce("trouble", "one")
    with path.open("ab") as file:
        file.write(b'{"at_us": 1, "ki\n\xff\n')
    announcements.announce("trouble", "two")
    assert texts(announcements) == ["one", "two"]


def test_many_tell_at_once_and_every_line_is_whole(path):
    def tell(name: int) -> None:
        announcements = Announcements(path, most_bytes=1 << 20)
        for number in range(100):
            announcements.announce("trouble", f"{name}/{number}")

    threads = [threading.Thread(target=tell, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(texts(Announcements(path)))) == 400


def test_neither_a_full_disk_nor_a_screen_that_is_gone_is_in_the_way(path):
    code = (
        "import os, resource, sys; from engine.adapters.announcements import Announcements\n"
        "from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "reading, writing = os.pipe(); os.close(reading)\n"
        "screen = os.fdopen(writing, 'w')\n"
        "told = Announcements(Path(sys.argv[1]), screen=screen)\n"
        "told.announce('stopped', 'all'); print('went on'); os.dup2(1, screen.fileno())"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code, path], env=plain, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "went on")


def test_a_folder_in_its_place_is_not_in_the_way(path):
    Path(path).mkdir()
    announcements = Announcements(path)
    announcements.announce("trouble", "one")
    assert announcements.recent(5) == []
