"""The images of `deploy/`, really built: from packages and this checkout, with no registry or index."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docker_engine import DockerEngine
from tests.house.tree import ROOT, project_files
from tests.needs import need

DEPLOY = ROOT / "deploy"
BASE = "watchkeeper-test-base"
IMAGE = "watchkeeper"
PATIENCE_S = 900
# The Debian whose Python is the one we run on, so that packages fetched here fit there.
_SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}


def run(
    *words: str | Path, folder: Path = ROOT, engine: DockerEngine, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Run a program that finds this engine; both its outputs come back as one."""
    ours = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "DOCKER_HOST": engine.url}
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=os.environ | ours | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def build_base(engine: DockerEngine) -> str:
    """Make one image for everything, as `deploy/sandbox/build.sh` makes the sandbox's, with more in it.

    Debian's packages take half a minute to put together, so the product's image stands on the sandbox's here.
    """
    need(shutil.which("docker") is not None, "docker, the command line, is not installed")
    need(shutil.which("mmdebstrap") is not None, "mmdebstrap is not installed")
    suite = _SUITES.get(sys.version_info[:2])
    need(suite, f"no Debian has Python {sys.version_info.major}.{sys.version_info.minor}")
    made = run(
        DEPLOY / "sandbox" / "build.sh",
        *("--name", BASE, "--suite", str(suite)),
        *("--include", "python3-venv,bubblewrap,git,libstdc++6,systemd"),
        engine=engine,
    )
    assert made.returncode == 0, made.stdout
    return BASE


def build_image(engine: DockerEngine, base: str, context: Path) -> str:
    """Build the product's image from what git tracks, with its packages fetched beforehand."""
    for path in project_files():
        target = context / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    # What the tests run in it has to hold some authority from the start.
    rollouts = context / "config" / "policies" / "rollouts.yaml"
    rollouts.write_text(rollouts.read_text().replace("established: []", "established: [run@1]"))
    # The commands of these tests are scripts, about each of which a person would be asked.
    (context / "config" / "policies" / "shell.yaml").unlink()
    for lock in ("runtime", "build"):
        words = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--require-hashes"]
        words += ["-d", str(context / "wheels"), "-r", str(ROOT / "requirements" / f"{lock}.lock")]
        fetched = subprocess.run(words, capture_output=True, text=True, check=False)
        need(fetched.returncode == 0, f"the packages cannot be fetched: {fetched.stderr[-500:]}")
    # Without a network: what is not in the context is not there.
    built = run(
        *("docker", "build", "--network=none", "--build-arg", f"BASE={base}"),
        *("-f", "deploy/docker/Dockerfile", "-t", IMAGE, "."),
        folder=context,
        engine=engine,
        DOCKER_BUILDKIT="0",
    )
    assert built.returncode == 0, built.stdout[-4000:]
    return IMAGE
