"""No sandbox: a process group of its own with limits on each process. Only where the registry says so."""

import shutil
import sys
from pathlib import Path
from typing import Final

from engine.adapters.marks import home_id
from engine.adapters.sandbox import checked_workspace, environment_of
from engine.adapters.sandbox_launch import entering, group_for, have_groups, limiting
from engine.adapters.sandbox_processes import run_processes
from engine.errors import EffectRefused
from engine.ports import Ended, Program, SandboxState, Watch

NOT_LIMITED: Final = (
    "files: it reads and writes whatever we may",
    "network: it reaches whatever this machine reaches",
    "other processes of ours: it may signal them",
    "a process that leaves its group and wipes its environment may outlive the effect",
)


class NoSandbox:
    """Runs programs as we are, with a clock, a cap on output, and limits for each process."""

    def __init__(self, *, home: Path) -> None:
        """Name the state folder, by which everything of ours can be found."""
        self._home, self._home_id = home, home_id(home)

    @property
    def workspace(self) -> str:
        """Empty: a program sees the workspace where it is."""
        return ""

    @property
    def python(self) -> str:
        """The interpreter we run on ourselves."""
        return sys.executable

    def describe(self) -> SandboxState:
        """Say what it is: it always works, and limits little."""
        without = () if have_groups() else ("memory and processes as a whole: only each process by itself",)
        missing = [name for name in ("prlimit", "setpriv") if shutil.which(name) is None]
        return SandboxState(
            backend="none",
            working=not missing,
            why=f"the program {missing[0]} is not installed"
            if missing
            else "programs run with nothing around them, because the registry says so",
            cure="install util-linux" if missing else "let the action say `sandbox: auto`",
            not_limited=(*NOT_LIMITED, *without),
        )

    async def run(self, program: Program, watch: Watch) -> Ended:
        """Run a program as we are. Raises as the port says."""
        if program.network:
            raise EffectRefused(
                "a list of hosts holds only within a sandbox",
                place=program.effect_id,
                cure="take `network` away, or let the action say `sandbox: auto`",
            )
        if program.read_only_workspace:
            raise EffectRefused(
                "without a sandbox nothing keeps a workspace as it is",
                place=program.effect_id,
                cure="try it in a sandbox",
            )
        workspace = checked_workspace(program, self._home)
        environment = environment_of(program, self._home_id)
        with group_for(program, self._home_id) as group:
            # `pids` would count every process of ours, so without a group they stay uncounted.
            limits = limiting(program.limits, memory=group is None, pids=False)
            argv = [*entering(group), "setpriv", "--pdeathsig", "KILL", "--", *limits]
            return await run_processes(
                program,
                watch,
                argv=[*argv, *program.argv],
                environment=environment,
                folder=workspace,
                home=self._home_id,
                group=group,
            )

    def close(self) -> None:
        """Nothing is held."""
