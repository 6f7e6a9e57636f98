"""Control groups are made with the limits, entered, emptied and removed; both versions are told the same."""

import os
import subprocess
from pathlib import Path

from engine.adapters.sandbox_cgroup import Group, find_groups
from engine.adapters.sandbox_launch import entering, probe_limits
from tests.needs import need
from tests.sandbox.machines import LIMITS


def test_a_group_holds_what_entered_it_and_is_gone_afterwards() -> None:
    groups = find_groups(probe_limits())
    need(groups is not None, "no control group can be made here")
    with groups.group(f"test-{os.getpid()}", LIMITS) as group:
        with subprocess.Popen([*entering(group), "sleep", "618"]) as process:
            try:
                while group.pids() != {process.pid}:
                    assert process.poll() is None
            finally:
                group.kill()
        assert process.returncode == -9
        folders = set(group.folders.values())
    assert not any(folder.exists() for folder in folders)


def test_it_knows_that_memory_ran_out() -> None:
    groups = find_groups(probe_limits())
    need(groups is not None, "no control group can be made here")
    with groups.group(f"test-{os.getpid()}", LIMITS) as group:
        assert not group.ran_out_of_memory()
        hog = ["/bin/sh", "-c", "head -c 300000000 /dev/zero | tail -c 300000000 >/dev/null"]
        subprocess.run([*entering(group), *hog], check=False, stderr=subprocess.DEVNULL)
        assert group.ran_out_of_memory()


def test_the_second_version_is_told_the_same(tmp_path: Path) -> None:
    group = Group(folders=dict.fromkeys(("memory", "pids", "cpu"), tmp_path), unified=True)
    group.limit(LIMITS)
    told = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert told == {
        "memory.max": str(96 << 20),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "32",
        "cpu.max": "100000 100000",
    }
    assert group.doors == (tmp_path / "cgroup.procs",)
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n")
    assert group.ran_out_of_memory()


def test_where_nothing_may_be_made_there_are_none(tmp_path: Path) -> None:
    assert find_groups(probe_limits(), root=tmp_path) is None
