"""A Docker engine of the tests' own, with a socket and data of its own and one small image."""

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.needs import need

IMAGE = "watchkeeper-test-shell"
START_S = 60


@dataclass(frozen=True)
class DockerEngine:
    """A running engine."""

    url: str
    client: docker.DockerClient
    image: str
    """busybox, and nothing else."""


@contextlib.contextmanager
def docker_engine() -> Iterator[DockerEngine]:
    """Start an engine; stop it, and remove everything, at the end."""
    for program in ("dockerd", "busybox"):
        need(shutil.which(program), f"{program} is not installed")
    need(os.geteuid() == 0, "an engine of our own needs root")
    # Short: a socket's path may have only a hundred letters.
    folder = Path(tempfile.mkdtemp(prefix="wk-docker-"))
    url = f"unix://{folder}/docker.sock"
    options = ["--bridge=none", "--iptables=false", "--ip6tables=false", f"--data-root={folder}/data"]
    options += [f"--exec-root={folder}/exec", f"--pidfile={folder}/pid", "-H", url]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(["dockerd", *options], stdout=log, stderr=log, start_new_session=True)
    client = docker.DockerClient(base_url=url, version="1.41", timeout=60)
    try:
        wait_until_it_answers(client, daemon, folder)
        client.api.import_image_from_data(image_tar(), repository=IMAGE, tag="latest")
        yield DockerEngine(url=url, client=client, image=IMAGE)
    finally:
        client.close()
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(timeout=START_S)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_it_answers(
    client: docker.DockerClient, daemon: "subprocess.Popen[bytes]", folder: Path
) -> None:
    until = time.monotonic() + START_S
    while daemon.poll() is None and time.monotonic() < until:
        # By a socket of our own: docker-py leaves open the ones it fails with.
        with socket.socket(socket.AF_UNIX) as knock, contextlib.suppress(OSError):
            knock.connect(str(folder / "docker.sock"))
            client.ping()
            return
        time.sleep(0.05)
    need(False, f"no Docker engine can be started here: {(folder / 'log').read_text()[-2000:]}")


def image_tar() -> bytes:
    """Pack busybox under the names of the tools the tests use."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(shutil.which("busybox"), "bin/busybox")
        for tool in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return data.getvalue()
