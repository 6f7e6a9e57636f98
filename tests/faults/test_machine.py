"""What machines do to a service: a disk that fills up or cannot be written, a worker that vanishes."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from engine.adapters.fence_files import FileFence
from engine.core.vocabulary.facts import EffectEnded, EffectStarted
from tests.fence.stopping import gone, until
from tests.runners.small_disk import make_read_only, small_disk
from tests.service.services import Service, eventually, service

pytestmark = pytest.mark.long

_MIB = 1 << 20


def fill(path: Path, *, leave_mib: int) -> None:
    """Leave so much of the disk free, by one large file."""
    free = os.statvfs(path.parent)
    wanted = free.f_bavail * free.f_frsize - leave_mib * _MIB
    with path.open("ab") as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), wanted)
    if not leave_mib:
        # The last few blocks, which a reservation of everything at once would be refused for.
        with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass


def write(running: Service, name: str, content: str = "x", **more):
    return running.propose("file.write", {"path": name, "content": content}, **more)


@pytest.fixture
def small(tmp_path):
    """A service whose state folder and workspace lie on a disk of 192 MiB, and that disk."""
    with (
        small_disk(tmp_path / "disk", kib=192 << 10) as disk,
        service(tmp_path, home=disk / "home") as running,
    ):
        yield running, disk


def test_a_disk_that_runs_low_holds_effects_until_there_is_room(small):
    running, disk = small
    fill(disk / "ballast", leave_mib=32)
    eventually(lambda: any("are free where the journal is" in text for text in running.told("trouble")))
    answer = write(running, "waits")
    assert (answer.status_code, answer.json()["word"], answer.json()["status"]) == (202, "allow", "queued")
    looked = running.cli("status")
    assert (looked.returncode, "TROUBLE   disk" in looked.stdout) == (1, True), looked.stdout
    assert not (running.workspace / "waits").exists()
    assert running.facts(EffectStarted) == []
    (disk / "ballast").unlink()
    eventually((running.workspace / "waits").exists, running.statuses)
    assert running.told("trouble")[-1] == "disk: mended; work goes on"


def test_a_full_disk_refuses_proposals_and_everything_goes_on_when_there_is_room(small):
    running, disk = small
    assert write(running, "before", wait_s=30).json()["status"] == "done"
    fill(disk / "ballast", leave_mib=0)

    def refused() -> bool:
        # The journal may have room of its own left; large proposals use it up.
        answer = write(running, "full", "x" * 900_000)
        if answer.status_code in {200, 202}:
            fill(disk / "ballast", leave_mib=0)
            return False
        assert answer.status_code in {503, 507}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert "disk" in answer.text, answer.text
        assert answer.json()["cure"]
        return True

    eventually(refused)
    # On a full disk nobody can write down what people are told, but the screen says it.
    eventually(lambda: "no effect starts" in running.output.read_text(), running.output.read_text)
    started = len(running.facts(EffectStarted))
    looked = running.cli("status")
    assert (looked.returncode, looked.stderr) == (1, ""), looked.stdout
    # It can be stopped all the same: a name in a folder needs no room of its own.
    assert running.post("/v1/kill", reason="the disk is full").status_code == 200
    assert [str(stop.scope) for stop in FileFence(running.layout.stops).stops()] == ["all"]
    assert not until(lambda: len(running.facts(EffectStarted)) > started, within_s=1)
    (disk / "ballast").unlink()
    eventually(lambda: write(running, "stopped").status_code in {200, 202}, running.output.read_text)
    assert write(running, "stopped").json()["word"] == "deny"
    eventually(lambda: any("can be written again" in text for text in running.told("trouble")))
    assert running.post("/v1/resume", reason="there is room again").status_code == 200
    assert write(running, "after", wait_s=60).json()["status"] == "done"


def test_a_disk_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    with small_disk(tmp_path / "disk", kib=4096) as disk:
        make_read_only(disk)
        said = Service(tmp_path, home=disk / "home").cli("up", "--config", str(tmp_path / "config"))
        assert said.returncode == 2
        assert len(said.stderr.splitlines()) == 1, said.stderr
        assert "read-only" in said.stderr


def test_a_worker_that_vanishes_leaves_a_question_and_nothing_running(tmp_path):
    with service(tmp_path) as running:
        answer = running.propose("note.append", {"line": "once", "pause_s": 60})
        decision = answer.json()["decision_id"]
        eventually(lambda: running.effects_under_way() == {decision}, running.statuses)
        os.kill(running.pid("worker-1"), signal.SIGKILL)
        eventually(lambda: running.status(decision) == "unknown", running.statuses)
        assert not running.effects_under_way()
        assert any(text.startswith(f"{decision} waits") for text in running.told("waiting"))
        assert len(running.facts(EffectStarted)) == 1


def test_a_worker_that_stood_still_loses_its_effect_to_another(tmp_path):
    """Asleep for longer than its lease, it finds its effect done by another, and reports nothing."""
    with service(tmp_path, workers__processes=2, workers__slots=1) as running:
        decision = running.propose("note.put", {"name": "put", "pause_s": 2}).json()["decision_id"]
        eventually(lambda: running.effects_under_way() == {decision}, running.statuses)
        (first,) = running.facts(EffectStarted)
        asleep = int(first.worker.partition(":")[2])
        os.kill(asleep, signal.SIGSTOP)
        try:
            eventually(lambda: running.status(decision) == "done", running.statuses)
        finally:
            os.kill(asleep, signal.SIGCONT)
        assert [fact.attempt for fact in running.facts(EffectStarted)] == [1, 2]
        assert (running.workspace / "put-put").read_text() == "put\n"
        # Awake again it takes the next one as if nothing had been.
        assert running.propose("note.put", {"name": "b", "pause_s": 0}, wait_s=30).json()["status"] == "done"
        assert not until(lambda: gone(asleep) or len(running.facts(EffectEnded)) > 2, within_s=1)
