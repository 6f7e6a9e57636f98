"""Attempts to get out, or to take more than is given. Each runs on every backend, and each is contained."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sandbox.machines import Machine, command_lines, made

SECRET = "the-secret-of-the-host-7d1f"


@dataclass(frozen=True)
class Outside:
    """What a program must not reach."""

    secret: Path
    """A file anybody on the host may read and write."""
    port: int
    """Where somebody listens on the host's loopback."""
    abstract: str
    """The abstract socket on which somebody listens too: those belong to a network, not to a folder."""
    visitors: list[str]
    victim: int
    """A process on the host, of the same person the program runs as."""


@pytest.fixture
def outside(tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """Put up things worth reaching, next to the workspace."""
    monkeypatch.setenv("WK_TEST_TOKEN", SECRET)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)  # so that only the sandbox stands in the way
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o666)
    (machine.workspace / "way-out").symlink_to(secret)
    (machine.workspace / "folder-out").symlink_to(tmp_path)
    visitors: list[str] = []
    abstract = f"wk-test-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        port = 0
        for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, f"\0{abstract}")):
            listener = stack.enter_context(socket.socket(family))
            listener.bind(address)
            listener.listen()
            port = port or listener.getsockname()[1]
            threading.Thread(target=_welcome, args=(listener, visitors), daemon=True).start()
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
        uid = os.geteuid() or 65534
        ids = {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}
        victim = stack.enter_context(subprocess.Popen(["sleep", "600"], cwd="/", **ids))
        stack.callback(victim.kill)
        yield Outside(secret=secret, port=port, abstract=abstract, visitors=visitors, victim=victim.pid)
        assert victim.poll() is None, "a process of the host was ended"
        assert secret.read_text() == SECRET, "a file of the host was changed"
        assert visitors == [], "somebody got through to the host's network"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "secret", "workspace"]


def _welcome(listener: socket.socket, visitors: list[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            visitors.append("somebody")
            connection.close()


# Each says ESCAPED when it has done what it must not. `{…}` are fields of `Outside`.
SHELL_ATTEMPTS = {
    "read the password hashes": "cat /etc/shadow /etc/gshadow && echo ESCAPED",
    "read root's home": "ls -A /root /root/.ssh /home/* 2>/dev/null | grep -q . && echo ESCAPED",
    "read a file of the host": "cat {secret} && echo ESCAPED",
    "climb up from the workspace": "cat ../secret ../../secret ../../../{secret} && echo ESCAPED",
    "climb up through a process": "cat /proc/1/root/{secret} /proc/self/cwd/../secret && echo ESCAPED",
    "list other processes": "grep -q sleep /proc/{victim}/cmdline && echo ESCAPED",
    "read through a link": "cat way-out folder-out/secret && echo ESCAPED",
    "write through a link": "for f in way-out folder-out/new folder-out/secret; do echo broken > $f; done",
    "write through a link of its own": "ln -s {secret} own && echo broken > own",
    "find the Docker socket": "for s in /var/run/docker.sock /run/docker.sock {docker}; do "
    "test -e $s && echo ESCAPED; done",
    "find the state folder": "ls {secret}/../home && echo ESCAPED",
    "become root by a program of the system": "su -c 'id -u' root </dev/null | grep -qx 0 && echo ESCAPED",
    "become root by a program in the workspace": "test $(./rootid id -u) = 0 && echo ESCAPED",
    "become root by a program of the image": "test $(/bin/busybox-setuid id -u) = 0 && echo ESCAPED",
    "be root": "test $(id -u) = 0 && echo ESCAPED",
    "have powers": "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):.*[1-9a-f]' /proc/self/status && echo ESCAPED",
    "gain powers": "grep -q 'NoNewPrivs:.*1' /proc/self/status || echo ESCAPED",
    "change the kernel's settings": "echo 1 > /proc/sys/kernel/panic && echo ESCAPED",
    "press the kernel's keys": "echo h > /proc/sysrq-trigger && echo ESCAPED",
    "choose the kernel's helper": "echo '|/bin/true' > /proc/sys/kernel/core_pattern && echo ESCAPED",
    "leave its control group": "for f in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs; do "
    "echo $$ > $f && echo ESCAPED; done",
    "write outside the workspace": "for f in /x /usr/x /etc/x /bin/x /dev/x /lib/x /run/x; do "
    "touch $f && echo ESCAPED; done",
    "mount something": "mkdir -p m; mount -t tmpfs none m && echo ESCAPED; "
    "mount -o remount,rw / && echo ESCAPED",
    "make namespaces": "unshare -U true && echo ESCAPED; unshare -Urm true && echo ESCAPED",
    "make a device": "mknod disk b 254 0 && echo ESCAPED; mknod mem c 1 1 && echo ESCAPED",
    "change its root": "chroot . /bin/true && echo ESCAPED",
    "kill a process of the host": "kill -9 {victim} && echo ESCAPED",
    "kill everybody": "kill -9 -1; sleep 0.1",
    "read our environment": "cat /proc/*/environ | tr '\\0' '\\n' | grep WK_TEST_TOKEN && echo ESCAPED",
    "read its own environment": "env | grep WK_TEST_TOKEN && echo ESCAPED",
    "type into our terminal": "echo x > /dev/tty && echo ESCAPED",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("attempt", SHELL_ATTEMPTS, ids=lambda name: name.replace(" ", "-"))
async def test_a_shell_command_cannot(
    attempt: str, machine: Machine, outside: Outside, request: pytest.FixtureRequest
) -> None:
    if "rootid" in SHELL_ATTEMPTS[attempt]:
        plant_setuid(machine.workspace)
    docker = request.getfixturevalue("docker_engine").url[7:] if machine.kind == "docker" else "/x"
    fields = {"secret": outside.secret, "victim": outside.victim, "docker": docker}
    script = SHELL_ATTEMPTS[attempt]
    for name, value in fields.items():
        script = script.replace("{" + name + "}", str(value))
    ended = await machine.sh(script)
    assert ended.why in {"exited", "killed"}
    assert "ESCAPED" not in ended.output
    assert SECRET not in ended.output + ended.errors


def plant_setuid(workspace: Path) -> None:
    """Put a program of root's into a workspace that makes root of whoever runs it, where setuid counts."""
    program, second = workspace / "rootid", workspace / "rootid-too"
    shutil.copy(shutil.which("busybox"), program)
    # Two names: what has a second name elsewhere is not handed over, so it stays root's.
    second.hardlink_to(program)
    program.chmod(0o4755)


PYTHON_ATTEMPTS = {
    "reach the internet": """
        for address in ("1.1.1.1", "8.8.8.8", "169.254.169.254"):
            s = socket.socket(); s.settimeout(1)
            if s.connect_ex((address, 80)) == 0: print("ESCAPED")""",
    "reach the host's loopback": """
        for address in ("127.0.0.1", "localhost"):
            s = socket.socket(); s.settimeout(1)
            if s.connect_ex((address, {port})) == 0: print("ESCAPED")""",
    "reach the host's abstract sockets": """
        s = socket.socket(socket.AF_UNIX)
        if s.connect_ex("\\0{abstract}") == 0: print("ESCAPED")""",
    "resolve names": """
        socket.getaddrinfo("example.com", 80); print("ESCAPED")""",
    "sniff the network": """
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print("ESCAPED")""",
    "read another process's memory": """
        with open("/proc/{victim}/mem", "r+b", buffering=0) as memory: memory.read(1)
        print("ESCAPED")""",
    "trace another process": """
        import ctypes
        if ctypes.CDLL(None).ptrace(16, {victim}, 0, 0) == 0: print("ESCAPED")""",
    "find the host's processes": """
        if os.path.exists("/proc/{victim}") and b"sleep" in open("/proc/{victim}/cmdline", "rb").read():
            print("ESCAPED")""",
    "lift its limits": """
        import resource
        for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
            resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)); print("ESCAPED")""",
    "follow our descriptors": """
        for number in os.listdir("/proc/self/fd"):
            try: target = os.readlink("/proc/self/fd/" + number)
            except OSError: continue
            if int(number) > 2 and not target.startswith("/proc"): print("ESCAPED", number, target)""",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("attempt", PYTHON_ATTEMPTS, ids=lambda name: name.replace(" ", "-"))
async def test_a_python_program_cannot(attempt: str, machine: Machine, outside: Outside) -> None:
    script = PYTHON_ATTEMPTS[attempt]
    for name in ("port", "abstract", "victim"):
        script = script.replace("{" + name + "}", str(getattr(outside, name)))
    lines = script.strip("\n").splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    ended = await machine.python("\n".join(["import os, socket", *(line[margin:] for line in lines)]))
    assert ended.why == "exited"
    assert "SyntaxError" not in ended.errors
    assert "ESCAPED" not in ended.output


@pytest.mark.asyncio
async def test_the_attempts_can_succeed_where_nothing_stands_in_the_way(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bare = made("none", tmp_path, request)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    (bare.workspace / "way-out").symlink_to(secret)
    (bare.workspace / "folder-out").symlink_to(tmp_path)
    for attempt in ("read a file of the host", "read through a link", "find the state folder"):
        script = SHELL_ATTEMPTS[attempt].replace("{secret}", str(secret))
        if attempt == "find the state folder":
            script = script.replace("secret/..", "")
        assert "ESCAPED" in (await bare.sh(script)).output, attempt


# ---------------------------------------------------------------- taking more than is given


@pytest.mark.asyncio
async def test_a_fork_bomb_runs_into_its_limit(machine: Machine) -> None:
    ended = await machine.python(
        "import os, time\n"
        "count = 0\n"
        "try:\n"
        "    while count < 400:\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(600)\n"
        "        count += 1\n"
        "except OSError as error:\n"
        "    print(count, error.errno, flush=True)\n"
    )
    count, code = map(int, ended.output.split())
    assert count <= 32
    assert code == 11  # EAGAIN


@pytest.mark.asyncio
async def test_a_fork_bomb_that_goes_on_is_ended(machine: Machine) -> None:
    ended = await machine.sh("b() { b | b & b; }; b; b; sleep 60", wall_us=2_000_000)
    assert ended.why in {"exited", "timed out"}


@pytest.mark.asyncio
async def test_memory_is_limited(machine: Machine) -> None:
    ended = await machine.python("x = bytearray(400 << 20); print('ESCAPED')")
    assert "ESCAPED" not in ended.output
    assert ended.why == "out of memory" or "MemoryError" in ended.errors


@pytest.mark.asyncio
async def test_memory_is_limited_for_all_processes_together(machine: Machine) -> None:
    whole = not any("memory as a whole" in what for what in machine.sandbox.describe().not_limited)
    ended = await machine.python(
        "import os, time\n"
        "for number in range(8):\n"
        "    if os.fork() == 0:\n"
        "        x = bytearray(os.urandom(1 << 20) * 40); time.sleep(1.5)\n"
        "        os.write(1, b'ALIVE '); os._exit(0)\n"
        "try:\n"
        "    while True: os.wait()\n"
        "except ChildProcessError: pass\n"
    )
    assert (ended.output.count("ALIVE") < 8) == whole
    assert (ended.why == "out of memory") == whole


@pytest.mark.asyncio
@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
async def test_files_in_memory_are_limited(place: str, machine: Machine) -> None:
    script = (
        "i=0; while [ $i -lt 40 ]; do "
        f"dd if=/dev/zero of={place}/$i bs=1M count=4 || exit 1; i=$((i+1)); done; echo ESCAPED"
    )
    ended = await machine.sh(script)
    assert "ESCAPED" not in ended.output


@pytest.mark.asyncio
async def test_a_file_cannot_grow_past_its_limit(machine: Machine) -> None:
    await machine.sh("dd if=/dev/zero of=big bs=1M count=64")
    assert (machine.workspace / "big").stat().st_size <= 8 << 20


@pytest.mark.asyncio
async def test_ten_megabytes_of_output_are_cut_to_what_is_kept(machine: Machine) -> None:
    ended = await machine.sh("echo first; yes 'a line of output' | head -c 10000000; echo; echo last; exit 4")
    assert (ended.why, ended.status) == ("exited", 4)
    assert len(ended.output) <= 65 << 10
    assert ended.output.startswith("first\n")
    assert ended.output.endswith("last\n")
    assert ended.cut_bytes > 9_900_000
    assert f"{ended.cut_bytes} bytes cut" in ended.output


@pytest.mark.asyncio
async def test_output_without_end_is_ended(machine: Machine) -> None:
    ended = await machine.sh("yes ESCAPED", output_kib=16)
    assert ended.why == "too much output"
    assert ended.status is None


@pytest.mark.asyncio
async def test_who_does_not_want_to_stop_is_stopped(machine: Machine) -> None:
    ended = await machine.sh("trap '' TERM INT HUP; while :; do sleep 1; done", wall_us=1_000_000)
    assert (ended.why, ended.status) == ("timed out", None)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "daemon",
    [
        "{sleep} &",
        "setsid {sleep} &",
        "(setsid {sleep} </dev/null >/dev/null 2>&1 &)",
        "env -i setsid /bin/sh -c '(exec {sleep} >/dev/null 2>&1 </dev/null) &'",
    ],
    ids=["in-the-background", "in-a-session-of-its-own", "without-our-pipes", "without-our-marks"],
)
async def test_nobody_stays_behind(daemon: str, machine: Machine) -> None:
    mine = f"617.{os.getpid()}"  # other tests may run beside this one
    ended = await machine.sh(daemon.replace("{sleep}", f"sleep {mine}") + "\necho done")
    assert (ended.status, ended.output) == (0, "done\n")
    assert not any(mine.encode() in line for line in command_lines())
