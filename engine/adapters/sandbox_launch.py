"""What stands before a program on a command line: each sets something, then becomes the next."""

import contextlib
import functools
import math
import resource
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.adapters.sandbox_cgroup import Group, Groups, find_groups
from engine.ports import Limits, Program

# Enters each control group, then becomes what follows. A shell, because it is everywhere and starts in a
# millisecond; Python would cost thirty, and code between fork and exec is not safe beside threads.
_ENTER: Final = (
    'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 125; shift; n=$((n-1)); done; exec "$@"'
)
_OPEN_FILES: Final = 1024


def probe_limits() -> Limits:
    """Return the limits a sandbox is tried out with."""
    return Limits(memory_mib=64, pids=16, cpus=1.0, output_kib=16, disk_mib=1, wall_us=10_000_000)


@functools.cache
def _groups() -> Groups | None:
    return find_groups(probe_limits())


def have_groups() -> bool:
    """Whether memory and processes can be limited for a program as a whole. Tried once."""
    return _groups() is not None


@contextlib.contextmanager
def group_for(program: Program, home: str) -> Iterator[Group | None]:
    """Make a control group for a program, where this machine lets us; `None` where not."""
    groups = _groups()
    if groups is None:
        yield None
        return
    # Never the same twice, on the whole machine: whoever ends a group ends everything in it.
    with groups.group(f"{home}-{secrets.token_hex(8)}", program.limits) as group:
        yield group


def entering(group: Group | None) -> list[str]:
    """Return what puts a program into a control group."""
    if group is None:
        return []
    doors = [str(door) for door in group.doors]
    return ["/bin/sh", "-c", _ENTER, "sh", str(len(doors)), *doors]


def limiting(limits: Limits, *, memory: bool, pids: bool) -> list[str]:
    """Return what limits each process of a program.

    `memory` limits addresses rather than memory, so it is for machines where nothing better can be had: some
    run-times reserve far more than they use. `pids` counts every process of the same person on kernels
    before 5.14, and those of the sandbox since.
    """
    cpu_s = math.ceil(limits.wall_us / 1e6 * limits.cpus) + 1
    wanted = {
        "core": (resource.RLIMIT_CORE, 0),
        "cpu": (resource.RLIMIT_CPU, cpu_s),
        "fsize": (resource.RLIMIT_FSIZE, limits.disk_mib << 20),
        "nofile": (resource.RLIMIT_NOFILE, _OPEN_FILES),
    }
    if memory:
        wanted["as"] = (resource.RLIMIT_AS, limits.memory_mib << 20)
    if pids:
        wanted["nproc"] = (resource.RLIMIT_NPROC, limits.pids)
    return ["prlimit", *(f"--{name}={_allowed(kind, value)}" for name, (kind, value) in wanted.items()), "--"]


def _allowed(kind: int, value: int) -> int:
    """Return a limit that we may set: nobody but root may go above the one there is."""
    _soft, hard = resource.getrlimit(kind)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def host_binds() -> list[str]:
    """Return bubblewrap's options that show the machine's programs and libraries, and nothing else of it."""
    # Said outright: bubblewrap makes the folders on the way so that only their maker may enter.
    options = ["--ro-bind", "/usr", "/usr"]
    for folder in ("/etc", "/etc/ssl"):
        options += ["--perms", "0755", "--dir", folder]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        place = Path("/", name)
        if place.is_symlink():
            options += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            options += ["--ro-bind", str(place), str(place)]
    for name in (
        "ld.so.cache",
        "alternatives",
        "ssl/certs",
        "ca-certificates",
        "localtime",
        "mime.types",
        "services",
        "protocols",
    ):
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return options
