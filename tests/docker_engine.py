"""A Docker engine of the tests own: one for each test process, with images made from this machine."""

import contextlib
import functools
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

SHELL_IMAGE = "watchkeeper-test-shell"
PYTHON_IMAGE = "watchkeeper-test-python"
START_S = 60
# An engine must not outlive a test process that was killed.
_WITH_US = ["setpriv", "--pdeathsig", "TERM", "dockerd"]


@dataclass(frozen=True)
class DockerEngine:
    """A running engine."""

    url: str
    client: docker.DockerClient
    image: str
    """busybox, and nothing else."""

    @functools.cached_property
    def python_image(self) -> str:
        """This machine's Python 3 and its library, with busybox beside it. Made when first asked for."""
        self.client.api.import_image_from_data(_python_tar(), repository=PYTHON_IMAGE, tag="latest")
        return PYTHON_IMAGE


@contextlib.contextmanager
def docker_engine() -> Iterator[DockerEngine]:
    """Start an engine with a socket and data of its own; stop it, and remove everything, at the end."""
    for program in ("dockerd", "containerd", "busybox"):
        need(shutil.which(program) is not None, f"{program} is not installed")
    need(os.geteuid() == 0, "an engine of our own needs root")
    # Short: a socket's path may have only a hundred letters.
    folder = Path(tempfile.mkdtemp(prefix="wk-docker-"))
    url = f"unix://{folder}/docker.sock"
    options = ["--bridge=none", "--iptables=false", "--ip6tables=false", f"--data-root={folder}/data"]
    options += [f"--exec-root={folder}/exec", f"--pidfile={folder}/pid", "-H", url]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen([*_WITH_US, *options], stdout=log, stderr=log, start_new_session=True)
    client = docker.DockerClient(base_url=url, version="1.41", timeout=60)
    try:
        _wait_until_it_answers(client, daemon, folder / "log")
        client.api.import_image_from_data(_shell_tar(), repository=SHELL_IMAGE, tag="latest")
        yield DockerEngine(url=url, client=client, image=SHELL_IMAGE)
    finally:
        client.close()
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(timeout=START_S)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_answers(client: docker.DockerClient, daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_S
    while daemon.poll() is None and time.monotonic() < until:
        # By a socket of our own: docker-py leaves open the ones it fails with.
        with socket.socket(socket.AF_UNIX) as knock, contextlib.suppress(OSError):
            knock.connect(str(log.parent / "docker.sock"))
            client.ping()
            return
        time.sleep(0.05)
    need(False, f"no Docker engine can be started here: {log.read_text(errors='replace')[-2000:]}")


def _shell_tar() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        _add_base(tar)
    return data.getvalue()


def _add_base(tar: tarfile.TarFile) -> None:
    """Add busybox under the names of its tools, and the folders programs expect."""
    for name in ("bin", "etc", "proc", "dev", "sys", "run", "workspace", "usr", "usr/bin"):
        _add_folder(tar, name, 0o755)
    # Docker 20.10 takes the mode of a temporary file system from the image and ignores what it is told.
    _add_folder(tar, "tmp", 0o1777)
    tar.add(shutil.which("busybox"), "bin/busybox")
    tools = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for tool in tools:
        if tool != "busybox":
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    for name, text in (
        ("passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
        ("group", "root:x:0:\n"),
    ):
        _add_file(tar, f"etc/{name}", text.encode(), 0o644)
    # A program that would be root if it ran as its owner: for the test that it does not.
    entry = tar.gettarinfo(shutil.which("busybox"), "bin/busybox-setuid")
    entry.mode, entry.uid, entry.gid = 0o4755, 0, 0
    with Path(shutil.which("busybox")).open("rb") as file:
        tar.addfile(entry, file)


def _python_tar() -> bytes:
    """Pack the system's Python 3 and the libraries it loads, as they lie here."""
    python = Path("/usr/bin/python3").resolve()
    need(python.exists(), "the system has no /usr/bin/python3")
    say = "import sysconfig, sys; print(sysconfig.get_path('stdlib'))"
    library = subprocess.run([python, "-I", "-c", say], capture_output=True, text=True, check=True).stdout
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", dereference=True) as tar:
        _add_base(tar)
        tar.add(python, "usr/bin/python3")
        tar.add(library.strip(), library.strip().lstrip("/"), filter=_without_ballast)
        for path in sorted(
            _libraries(python) | _libraries(*Path(library.strip(), "lib-dynload").glob("*.so"))
        ):
            tar.add(path, path.lstrip("/"))
    return data.getvalue()


def _libraries(*programs: Path) -> set[str]:
    found = set()
    for program in programs:
        done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
        found |= {word for word in done.stdout.split() if word.startswith("/")}
    return found


def _without_ballast(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    ballast = {"test", "tests", "idlelib", "__pycache__", "site-packages", "dist-packages", "ensurepip"}
    return None if ballast & set(Path(entry.name).parts) else entry


def _add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _add_file(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))
