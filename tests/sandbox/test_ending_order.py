"""Ending a shell ends it before its command, or it would go on to the next one."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from engine.adapters.sandbox_processes import end_all


class ChildFirst:
    """A control group that kills, as the kernel may, a shell's command a good while before the shell."""

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def pids(self) -> set[int]:
        """Give nothing beyond what is known anyway."""
        return set()

    def kill(self) -> None:
        """Kill the children, and take one's time."""
        with contextlib.suppress(OSError):
            path = Path(f"/proc/{self._leader}/task/{self._leader}/children")
            for word in path.read_text().split():
                os.kill(int(word), signal.SIGKILL)
        time.sleep(0.2)


@pytest.mark.asyncio
async def test_a_script_goes_no_further_than_where_it_was_ended(tmp_path):
    script = f"echo begun; sleep 1000; echo >{tmp_path}/went-on; exec sleep 1000"
    with subprocess.Popen(
        ["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        # The shell has said so; a moment later it waits for its command.
        time.sleep(0.1)
        await end_all(process.pid, home="h", effect_id="d_1", group=ChildFirst(process.pid))
    assert not (tmp_path / "went-on").exists()
