"""The bubblewrap sandbox: namespaces and mounts of its own, no root, no network, limits on each process."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.adapters.marks import home_id
from engine.adapters.sandbox import (
    TEMPORARY,
    WORKSPACE,
    acting_ids,
    checked_shown,
    checked_workspace,
    environment_of,
    hand_over,
)
from engine.adapters.sandbox_launch import (
    entering,
    group_for,
    have_groups,
    host_binds,
    limiting,
    probe_limits,
)
from engine.adapters.sandbox_network import DOOR, network_for
from engine.adapters.sandbox_processes import run_processes
from engine.ports import Ended, Limits, Program, SandboxState, Watch

_Bind = tuple[Path, str, bool]
"""What is shown, where, and whether it may be changed there."""

_CURE: Final = "install bubblewrap, and allow user namespaces (sysctl user.max_user_namespaces)"
_ETC: Final = Path(__file__).parent / "sandbox_etc"
_ETC_FILES: Final = ("group", "hosts", "nsswitch.conf", "passwd")
_WITHIN_ID: Final = "1000"
"""The user and group a program sees itself as; those in `sandbox_etc/passwd`."""
_SHARED: Final = "/dev/shm"  # noqa: S108 - within the sandbox it is nobody else's
_STAGE: Final = Path("/mnt")
_PROBE_S: Final = 10

_ALWAYS_OPEN: Final = (
    "system calls: no seccomp filter of its own, so a hole in the kernel is within reach",
    "disk: the largest file is limited, the workspace as a whole is not",
)
_WITHOUT_GROUPS: Final = (
    "memory as a whole: each process may use all of it",
    "processor cores: only the seconds each process may use",
)


class BubblewrapSandbox:
    """Runs programs in namespaces of their own, with nothing of the machine but its programs, read-only."""

    def __init__(self, *, home: Path, bwrap: str = "bwrap") -> None:
        """Name the state folder, by which everything of ours can be found, and the program to use."""
        self._home, self._home_id, self._bwrap = home, home_id(home), bwrap
        self._state: SandboxState | None = None

    @property
    def workspace(self) -> str:
        """Where a program finds its workspace."""
        return WORKSPACE

    @property
    def python(self) -> str:
        """This machine's interpreter, the one we run on, shown read-only with its library."""
        return str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))

    def describe(self) -> SandboxState:
        """Run `true` once, with everything a program gets, and say how that went. What works is kept."""
        if self._state is None or not self._state.working:
            self._state = self._probe()
        return self._state

    def _probe(self) -> SandboxState:
        found, prlimit = shutil.which(self._bwrap), shutil.which("prlimit")
        if found is None or prlimit is None:
            missing = "bwrap" if found is None else "prlimit"
            return self._unusable(f"the program {missing} is not installed")
        ids = acting_ids(Path("/"))
        limits = probe_limits()
        argv = self._argv(ids, Path("/usr"), within={}, limits=limits)
        argv += limiting(limits, memory=not have_groups(), pids=True)
        try:
            done = subprocess.run(  # noqa: S603 - the arguments are ours
                [*argv, "/bin/true"], capture_output=True, timeout=_PROBE_S, check=False, text=True, cwd="/"
            )
        except (OSError, subprocess.SubprocessError) as error:
            return self._unusable(str(error))
        if done.returncode != 0:
            return self._unusable(done.stderr.strip() or f"it ended with status {done.returncode}")
        return SandboxState(
            backend="bubblewrap",
            working=True,
            why=f"{found}, programs run as user {ids[0]}",
            not_limited=(*_ALWAYS_OPEN, *(() if have_groups() else _WITHOUT_GROUPS)),
        )

    def _unusable(self, why: str) -> SandboxState:
        return SandboxState(backend="bubblewrap", working=False, why=why, cure=_CURE)

    async def run(self, program: Program, watch: Watch) -> Ended:
        """Run a program in its own namespaces. Raises as the port says."""
        workspace = checked_workspace(program, self._home)
        ids = acting_ids(workspace)
        await asyncio.to_thread(hand_over, workspace, *ids)
        async with network_for(program, self.python, ids[0], self._home) as (argv, environment, door):
            within = environment_of(program, self._home_id) | environment
            shown = [checked_shown(path) for path in program.read_only]
            if self.python in argv and not self.python.startswith("/usr/"):
                shown.append(Path(sys.base_prefix))
            with group_for(program, self._home_id) as group:
                return await run_processes(
                    program,
                    watch,
                    argv=[
                        *entering(group),
                        *self._argv(
                            ids,
                            workspace,
                            within=within,
                            shown=shown,
                            read_only=program.read_only_workspace,
                            door=door,
                            limits=program.limits,
                        ),
                        *limiting(program.limits, memory=group is None, pids=True),
                        *argv,
                    ],
                    environment={"PATH": within["PATH"]},
                    folder=Path("/"),
                    home=self._home_id,
                    group=group,
                )

    def _argv(
        self,
        ids: tuple[int, int],
        workspace: Path,
        *,
        within: dict[str, str],
        shown: Sequence[Path] = (),
        read_only: bool = False,
        door: Path | None = None,
        limits: Limits,
    ) -> list[str]:
        """Return bubblewrap's command line, up to what it is to run."""
        binds = [(workspace, WORKSPACE, not read_only), *((path, str(path), False) for path in shown)]
        binds += [(_ETC / name, f"/etc/{name}", False) for name in _ETC_FILES]
        if door is not None:
            binds.append((door, DOOR, False))
        outer, binds = self._staged(ids, binds) if os.geteuid() == 0 else ([], binds)
        room = str(limits.disk_mib << 20)
        options = ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--cap-drop", "ALL"]
        options += ["--unshare-user", "--disable-userns", "--uid", _WITHIN_ID, "--gid", _WITHIN_ID]
        options += [f"--unshare-{name}" for name in ("pid", "ipc", "uts", "net", "cgroup")]
        options += ["--proc", "/proc", "--dev", "/dev", *host_binds()]
        # What lies in memory counts as nobody's on machines without control groups, so each has a size.
        for place in (_SHARED, TEMPORARY):
            options += ["--perms", "1777", "--size", room, "--tmpfs", place]
        for source, place, writable in binds:
            options += ["--bind" if writable else "--ro-bind", str(source), place]
        options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKSPACE, "--clearenv"]
        for name, value in within.items():
            options += ["--setenv", name, value]
        return [*outer, self._bwrap, *options, "--"]

    def _staged(self, ids: tuple[int, int], binds: list[_Bind]) -> tuple[list[str], list[_Bind]]:
        """Return what makes us somebody else who reaches every folder still, and where they find them.

        The folders above a workspace are often closed to all but their owner. So an outer bubblewrap, which
        still is root, shows each source at a place that anybody reaches; only then root is given up for
        good, and the sandbox is made by somebody who has no power to give away.
        """
        # Not the whole machine: what Docker and others mount and unmount meanwhile would be in the way.
        outer = [self._bwrap, "--die-with-parent", *host_binds(), "--tmpfs", str(_STAGE)]
        # The inner one builds its tree in the temporary folder, and makes its `/proc` and `/dev` from these.
        outer += ["--tmpfs", TEMPORARY, "--dev-bind", "/dev", "/dev", "--bind", "/proc", "/proc"]
        staged = []
        for number, (source, place, writable) in enumerate(binds):
            outer += ["--bind" if writable else "--ro-bind", str(source), str(_STAGE / str(number))]
            staged.append((_STAGE / str(number), place, writable))
        drop = ["setpriv", f"--reuid={ids[0]}", f"--regid={ids[1]}", "--clear-groups", "--no-new-privs"]
        return [*outer, "--", *drop, "--inh-caps=-all", "--bounding-set=-all", "--"], staged

    def close(self) -> None:
        """Nothing is held."""
