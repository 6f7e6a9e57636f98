"""A writer leaves a whole recording or nothing, and refuses what would make a replay wrong."""

import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from engine.errors import InputError, RecordingError, StorageError
from simulator.recording import RecordingWriter
from simulator.recording.spill import SortedSpill
from tests.recording.samples import HEADER, mixed, proposal, write

ROOT = Path(__file__).resolve().parents[2]


def interrupted(path, count, stop):
    with RecordingWriter(path, HEADER) as writer:
        for fact in mixed(count):
            writer.write(fact)
        raise stop


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), ValueError(), RecordingError("no")])
def test_an_error_leaves_nothing_behind(tmp_path, stop):
    with pytest.raises(type(stop)):
        interrupted(tmp_path / "a.wkr", 20_000, stop)
    assert [*tmp_path.iterdir()] == []


def test_an_error_leaves_the_recording_that_stood_there(tmp_path):
    path = write(tmp_path / "a.wkr", mixed(10))
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, 5, KeyboardInterrupt())
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_a_second_proposal_with_one_id_is_refused(tmp_path):
    facts = [*mixed(30), proposal(6, "elsewhere")]
    with pytest.raises(RecordingError, match=r"facts 7 and 31 are two proposals with one id, 'p-6'"):
        write(tmp_path / "a.wkr", facts)
    assert [*tmp_path.iterdir()] == []


def test_a_missing_folder_is_the_callers_to_make(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        write(tmp_path / "none" / "a.wkr", [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_one_line():
    with pytest.raises(StorageError, match="the disk is full"):
        write(Path("/dev/full"), mixed(50_000))


@pytest.mark.parametrize("run_bytes", [1, 2_000, 1 << 20])
def test_sorting_on_disk_is_sorting(run_bytes):
    chance = random.Random(7)
    pairs = [
        (chance.randbytes(chance.randrange(3)), str(n).encode() * chance.randrange(9)) for n in range(3_000)
    ]
    with SortedSpill(run_bytes=run_bytes if run_bytes > 1 else 500) as spill:
        for key, value in pairs:
            spill.add(key, value)
        assert [*spill] == sorted(pairs, key=lambda pair: pair[0])


def test_values_larger_than_a_read_come_back():
    pairs = [(bytes([9 - n]), bytes([n]) * 100_000) for n in range(5)]
    with SortedSpill(run_bytes=150_000) as spill:
        for key, value in pairs:
            spill.add(key, value)
        assert [*spill] == sorted(pairs)


def test_a_full_temporary_folder_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with (
        pytest.raises(StorageError, match=r"cannot sort on disk: .*TMPDIR"),
        SortedSpill(run_bytes=10) as spill,
    ):
        spill.add(b"k", b"v" * 20)


PEAK = """
import resource, sys
from pathlib import Path
from engine.core.vocabulary.facts import MetricObserved, ProposalReceived
from engine.core.vocabulary.proposals import Proposal
from simulator.recording import Header, Label, Origin, Recording, RecordingWriter

count, path = int(sys.argv[1]), Path(sys.argv[2])
with RecordingWriter(path, Header(source="t", origin=Origin(name="t"))) as writer:
    for n in range(count):
        if n % 10:
            writer.write(MetricObserved(at_us=n, series=f"host-{n % 2000}/latency_ms", value=n / 3))
        else:
            asked = Proposal(proposal_id=f"p-{n}", agent="a", capability="c@1", action="go", episode=f"e-{n}")
            writer.write(ProposalReceived(at_us=n, proposal=asked))
            writer.label(Label(proposal_id=asked.proposal_id, unsafe=False, benign_episode=True))
assert sum(1 for _ in Recording(path).facts()) == count
assert sum(1 for _ in Recording(path).labels()) == count // 10
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.unmeasured
def test_memory_does_not_grow_with_the_recording(tmp_path):
    def peak_mb(count):
        run = [sys.executable, "-c", textwrap.dedent(PEAK), str(count), str(tmp_path / "a.wkr")]
        return int(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    small, large = peak_mb(150_000), peak_mb(1_500_000)
    # The check for repeated ids holds at most 16 MB before it goes to disk, and the index 0.4 MB.
    assert large - small < 24, f"{small} MB for 150,000 facts, {large} MB for ten times as many"
