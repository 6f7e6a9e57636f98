"""A process killed while it wrote its coverage data spoils nobody else's."""

import os
import subprocess
import sys

import pytest
from coverage import CoverageData
from coverage.exceptions import CoverageException

from tests.torn_coverage import drop_torn


def test_only_what_a_dead_process_left_half_written_goes(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    torn = tmp_path / f".coverage.vm.pid{gone.pid}.Xaaaaaax"
    torn.touch()
    scrap = tmp_path / f".coverage.vm.pid{gone.pid}.Xbbbbbbx"
    scrap.write_bytes(b"SQLite format 3\0 and no more")
    unfinished = tmp_path / f".coverage.vm.pid{os.getpid()}.Xccccccx"
    unfinished.touch()
    whole = tmp_path / f".coverage.vm.pid{gone.pid}.Xddddddx"
    data = CoverageData(str(whole))
    data.add_lines({"one.py": [1, 2]})
    data.close()
    with pytest.raises(CoverageException):
        CoverageData(str(torn), read_only=True).read()

    assert drop_torn(tmp_path) == [torn, scrap]
    assert sorted(tmp_path.iterdir()) == sorted([unfinished, whole])
    again = CoverageData(str(whole))
    again.read()
    assert again.lines("one.py") == [1, 2]
