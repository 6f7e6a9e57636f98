"""`status` and `doctor` say what is wrong, whichever process is dead or stands still."""

import contextlib
import os
import signal
import stat
from collections.abc import Iterator

import pytest

from tests.fence.stopping import gone
from tests.service.services import Service, eventually, service

pytestmark = pytest.mark.slow

PARTS = ("engine", "front", "worker-1")


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service")) as made:
        yield made


@contextlib.contextmanager
def still(running: Service, name: str) -> Iterator[None]:
    """Have a process stand still while the block lasts."""
    pid = running.pid(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        eventually(running.is_healthy)


def see(running: Service, *words: str) -> list[str]:
    """Have a command look: something is wrong, and it says so without a traceback. Give its lines."""
    seen = running.cli(*words)
    assert (seen.returncode, seen.stderr) == (1, ""), seen.stdout + seen.stderr
    return seen.stdout.splitlines()


def about(lines: list[str], name: str) -> str:
    """Give the line about a process."""
    found = [line for line in lines if name in line.split()[:3]]
    assert found, lines
    return found[0]


def test_nobody_else_reads_the_state_folder(running):
    mode = stat.S_IMODE(running.home.stat().st_mode)
    assert mode == (0o711 if os.geteuid() == 0 else 0o700)
    readable = [
        path.name
        for path in running.home.iterdir()
        if path.is_file() and path.stat().st_mode & 0o077 and not path.name.endswith(("lock", "door"))
    ]
    assert not {name for name in readable if name.startswith(("journal", "token", "http"))}, readable
    running.home.chmod(0o755)
    try:
        assert "others can look into" in running.cli("doctor").stdout
    finally:
        running.home.chmod(mode)


@pytest.mark.parametrize("name", ["supervisor", *PARTS])
def test_status_and_doctor_name_what_stands_still(name, running):
    with still(running, name):
        assert "STANDS STILL" in about(see(running, "status"), name)
        lines = see(running, "doctor")
        assert about(lines, name).startswith("BAD")
        assert "stands still" in about(lines, name)
        if name in {"engine", "front"}:
            assert any("does not answer" in line for line in lines), lines


@pytest.mark.parametrize("name", PARTS)
def test_status_and_doctor_name_what_is_dead(name, running):
    pid = running.pid(name)
    with still(running, "supervisor"):
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: gone(pid))
        lines = see(running, "status")
        assert "IS GONE" in about(lines, name)
        if name == "front":
            assert "http      does not listen" in lines
        assert "is gone" in about(see(running, "doctor"), name)
    # Once the supervisor goes on, it is started again, and people are told.
    eventually(
        lambda: any(text.startswith(f"{name} was ended by SIGKILL") for text in running.told("restarted"))
    )
    assert not gone(running.pid(name))


def test_all_is_well_again(running):
    eventually(running.is_healthy)
    seen = running.cli("status")
    assert (seen.returncode, seen.stderr) == (0, ""), seen.stdout


def test_status_says_that_nothing_runs(tmp_path):
    never_started = Service(tmp_path)
    lines = see(never_started, "status")
    assert "runs      no supervisor; start it with `watchkeeper up`" in lines
    assert any(line.startswith("BAD   supervisor") for line in see(never_started, "doctor"))
