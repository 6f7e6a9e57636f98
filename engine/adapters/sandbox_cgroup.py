"""Control groups: limits for a program as a whole, where this machine lets us make one."""

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.ports import Limits

_PERIOD_US: Final = 100_000
_NEEDED: Final = ("memory", "pids")
_OURS: Final = "watchkeeper"


class Group(Struct, frozen=True, kw_only=True):
    """One control group: a folder in the second version, a folder for each controller in the first."""

    folders: dict[str, Path]
    """Controller to folder. In the second version they are all the same."""
    unified: bool

    @property
    def doors(self) -> tuple[Path, ...]:
        """The files a process writes its id into to enter."""
        return tuple(dict.fromkeys(folder / "cgroup.procs" for folder in self.folders.values()))

    def limit(self, limits: Limits) -> None:
        """Write the limits down. Raises `OSError`."""
        memory, quota = limits.memory_mib << 20, int(limits.cpus * _PERIOD_US)
        wanted: list[tuple[str, str, int | str]]
        if self.unified:
            wanted = [("memory", "memory.max", memory), ("cpu", "cpu.max", f"{quota} {_PERIOD_US}")]
            optional = [("memory", "memory.swap.max", 0), ("memory", "memory.oom.group", 1)]
        else:
            wanted = [("memory", "memory.limit_in_bytes", memory), ("cpu", "cpu.cfs_quota_us", quota)]
            optional = [("memory", "memory.memsw.limit_in_bytes", memory), ("memory", "memory.swappiness", 0)]
        for controller, name, value in (*wanted, ("pids", "pids.max", limits.pids)):
            if controller in self.folders:
                (self.folders[controller] / name).write_text(str(value))
        for controller, name, value in optional:  # only where the kernel counts swap
            with contextlib.suppress(OSError):
                (self.folders[controller] / name).write_text(str(value))

    def pids(self) -> set[int]:
        """Return everything alive in the group."""
        found: set[int] = set()
        for door in self.doors:
            with contextlib.suppress(OSError):
                found |= {int(word) for word in door.read_text().split()}
        return found

    def kill(self) -> None:
        """Kill everything in the group, as fast as the kernel can."""
        folder = self.folders["memory"]
        if self.unified:
            with contextlib.suppress(OSError):
                (folder / "cgroup.kill").write_text("1")
                return
        for pid in self.pids():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel ended something in the group because its memory was used up."""
        name = "memory.events" if self.unified else "memory.oom_control"
        with contextlib.suppress(OSError, ValueError):
            lines = (self.folders["memory"] / name).read_text().splitlines()
            return int(dict(line.split() for line in lines).get("oom_kill", "0")) > 0
        return False

    def remove(self) -> None:
        """Take the empty group away."""
        for folder in dict.fromkeys(self.folders.values()):
            with contextlib.suppress(OSError):
                folder.rmdir()


class Groups(Struct, frozen=True, kw_only=True):
    """Where groups of ours can be made on this machine."""

    parents: dict[str, Path]
    unified: bool

    @contextlib.contextmanager
    def group(self, name: str, limits: Limits) -> Iterator[Group]:
        """Make a group with these limits; it is gone at the end. Raises `OSError`."""
        group = Group(
            folders={controller: parent / name for controller, parent in self.parents.items()},
            unified=self.unified,
        )
        try:
            for folder in dict.fromkeys(group.folders.values()):
                folder.mkdir(exist_ok=True)
            group.limit(limits)
            yield group
        finally:
            group.remove()


def find_groups(probe: Limits, *, root: Path = Path("/sys/fs/cgroup")) -> Groups | None:
    """Find out where we may make groups with memory and process limits, by making one. `None`: nowhere."""
    for parents, unified in _candidates(root):
        groups = Groups(parents=parents, unified=unified)
        try:
            for folder in dict.fromkeys(parents.values()):
                folder.mkdir(exist_ok=True)
            if unified:
                _allow(parents["memory"])
            with groups.group(f"probe-{secrets.token_hex(8)}", probe):
                return groups
        except (OSError, KeyError):
            continue
    return None


def _candidates(root: Path) -> Iterator[tuple[dict[str, Path], bool]]:
    """Yield the places worth trying: below our own group, beside it, at the top."""
    own = _own_groups()
    if (root / "cgroup.controllers").exists():
        here = root / own.get("", "").lstrip("/")
        # systemd's `DelegateSubgroup=` puts us one step below what is ours to divide.
        for place in dict.fromkeys((here, here.parent, root)):
            if place.is_relative_to(root):
                yield dict.fromkeys((*_NEEDED, "cpu"), place / _OURS), True
        return
    if all((root / controller / "cgroup.procs").exists() for controller in _NEEDED):
        present = [name for name in (*_NEEDED, "cpu") if (root / name / "cgroup.procs").exists()]
        yield {name: root / name / own.get(name, "").lstrip("/") / _OURS for name in present}, False
        yield {name: root / name / _OURS for name in present}, False


def _own_groups() -> dict[str, str]:
    """Return the path of our own group for each controller; under the empty name that of version two."""
    found: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _allow(folder: Path) -> None:
    """Let the groups within a folder have limits. Raises `OSError`."""
    for place in (folder.parent, folder):
        (place / "cgroup.subtree_control").write_text("+memory +pids +cpu")
