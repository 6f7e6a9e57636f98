"""Memory stays flat in the length of the recording."""

import json
import os
import subprocess
import sys

import pytest

from engine.core.vocabulary.facts import MetricObserved, ProposalReceived
from tests.builders import NOON_US, proposal
from tests.determinism.histories import record
from tests.house.tree import ROOT

# The peak of a replay, in KiB, as the process itself counts it.
_PEAK = """
import json, resource, sys
from pathlib import Path
from tests.determinism.gate import replay
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
replay(Path(sys.argv[1]), results=Path(sys.argv[2]))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([before, after]))
"""
_GROWTH_KIB = 24 * 1024
"""What four times the length may cost: the allocator's slack. Keeping the facts would cost ten times that."""


def telemetry(count):
    for number in range(count):
        yield MetricObserved(at_us=NOON_US + number, series=f"s-{number % 50}", value=number / 7)


def proposals(count):
    for number in range(count):
        asked = proposal(proposal_id=f"p-{number}", episode=f"e-{number // 3}", rationale="because " * 20)
        yield ProposalReceived(at_us=NOON_US + number * 1_000_000, proposal=asked)


def peak(path, results):
    # Measuring coverage takes memory of its own, and time.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    words = [sys.executable, "-c", _PEAK, path, results]
    done = subprocess.run(words, cwd=ROOT, env=plain, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[1]


@pytest.mark.slow
@pytest.mark.parametrize(("made", "count"), [(telemetry, 40_000), (proposals, 8_000)])
def test_four_times_the_facts_take_the_same_memory(made, count, tmp_path):
    peaks = []
    for times in (1, 4):
        path = record(tmp_path / f"{times}.wkr", made(count * times), group_facts=2_000)
        peaks.append(peak(path, tmp_path / f"{times}.sqlite"))
    assert peaks[1] - peaks[0] < _GROWTH_KIB, peaks
