"""The hashes are those of every process, hash seed and supported Python, and of yesterday."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.determinism import gate
from tests.house.tree import ROOT

# What the bundled recording comes to under the shipped policy. A change here is a change of what
# Watchkeeper decides or of what it hashes, in code or in config/: make sure that it is meant, say so in the
# CHANGELOG, and write down what `python -m tests.determinism.gate simulator/demo.wkr --way "1 shard"` prints.
PINNED = {
    "journal": "31245ccae6f479e9bedfc22aa0011b84b5947b0223a74b62d81feb7405d51c43",
    "state": "bab8ee52411b12e0eb5b0c6c515467abc0785e6c4bb49b5c5a75291134c37eca",
    "verdicts": "eea7e85ce81fe64c8f07c9f36f74e2c91b770d969dc6e98640f5e2609f6179a2",
}

VERSIONS = ("3.11", "3.12", "3.13")
DEMO = ROOT / "simulator" / "demo.wkr"
_INSTALL_S = 600


def test_the_demo_decides_as_it_did():
    found = gate.prints(DEMO, ["1 shard"])["1 shard"]
    assert found == PINNED, "meant? then see the comment above PINNED"


@pytest.mark.long
@pytest.mark.parametrize("seed", ["0", "1", "12345"])
def test_the_hash_seed_does_not_show(recording, plain, run_gate, seed):
    cut = "2 shards" if seed == "0" else "resumed after every group"
    done = run_gate(recording, "--way", "1 shard", "--way", cut, "--way", "live", PYTHONHASHSEED=seed)
    assert done.returncode == 0, done.stderr
    assert gate.complaints({"here": plain} | json.loads(done.stdout)) == []


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_the_version_of_python_does_not_show(recording, plain, run_gate, version, pytestconfig):
    python = _python_with_us(version, pytestconfig.cache.mkdir("pythons"))
    done = run_gate(recording, "--way", "1 shard", "--way", "2 shards", "--way", "live", python=python)
    assert done.returncode == 0, done.stderr
    assert gate.complaints({"here": plain} | json.loads(done.stdout)) == []
    demo = json.loads(run_gate(DEMO, "--way", "1 shard", python=python).stdout)
    assert gate.complaints({"here": gate.prints(DEMO, ["1 shard"])["1 shard"]} | demo) == []


def _python_with_us(version: str, cache: Path) -> Path:
    """Give a Python of this version that has what we need; skip the test where there is none."""
    if version == "{}.{}".format(*sys.version_info):
        return Path(sys.executable)
    lock = ROOT / "requirements" / "runtime.lock"
    folder = cache / f"{version}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists() and _version_of(python) == version:
        return python
    tried = []
    for candidate in _candidates(version):
        if _version_of(candidate) != version:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        for command in (
            [candidate, "-m", "venv", folder],
            [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--require-hashes",
                "--no-deps",
                "--requirement",
                lock,
            ],
        ):
            done = _run(*command)
            if done is None or done.returncode != 0:
                tried.append(done.stderr.strip().splitlines()[-1] if done and done.stderr else "no answer")
                break
        else:
            (folder / "complete").touch()
            return python
        shutil.rmtree(folder, ignore_errors=True)
    why = f": {'; '.join(tried)}" if tried else " is not installed"
    pytest.skip(f"Python {version}{why}")


def _candidates(version: str) -> Iterator[Path]:
    """Name the programs that may be this Python: those on the path, then those pyenv keeps."""
    for folder in os.get_exec_path():
        if (path := Path(folder) / f"python{version}").exists():
            yield path
    root = os.environ.get("PYENV_ROOT")
    if root is None and shutil.which("pyenv"):
        done = _run("pyenv", "root")
        root = done.stdout.strip() if done is not None and done.returncode == 0 else None
    if root:
        yield from sorted(Path(root).glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def _version_of(python: Path) -> str | None:
    done = _run(python, "-c", "import sys; print('{}.{}'.format(*sys.version_info))")
    return done.stdout.strip() if done is not None and done.returncode == 0 else None


def _run(*command: object) -> subprocess.CompletedProcess[str] | None:
    # A Python that is asked to make a venv must not be told which one it runs in.
    ours = ("VIRTUAL_ENV", "COVERAGE_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    try:
        return subprocess.run(
            [str(word) for word in command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
