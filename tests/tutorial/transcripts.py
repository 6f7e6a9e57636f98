"""Pages whose console blocks are run: every `$ command`, in one shell, in order, with the output it shows."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_END = "--- end of the command ---"

# What differs from run to run and from machine to machine, and what stands for it in a comparison.
_VARYING = (
    (re.compile(r"\bwk_\w+"), "TOKEN"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\b(supervisor|process) \d+"), r"\1 PID"),
    (re.compile(r"after \d+ ms"), "after N ms"),
    (re.compile(r"\bpolicy [0-9a-f]{12}"), "policy HASH"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1:PORT"),
    (re.compile(r"\b\d+ records, head .*"), "N records, head HEAD"),
    (re.compile(r"\bat record \d+"), "at record N"),
)


def commands_of(page: Path) -> list[tuple[str, str]]:
    """Return each command of a page with the output the page shows."""
    found: list[tuple[str, str]] = []
    for block in _BLOCK.findall(page.read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif found:
                found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def same(text: str, *, person: str) -> str:
    """Put words in the place of what may differ."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    # Only where a person acts: on many a machine the name is also that of a folder.
    return re.sub(rf"\b{re.escape(person)}(?= is captain| stopped)", "PERSON", text)


class Shell:
    """One bash that keeps its variables, its folder and its background jobs between commands."""

    def __init__(self, folder: Path) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("WATCHKEEPER")
        }
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        # Job control, as a person's shell has it: `kill %1` in the page means what it says.
        self._bash = subprocess.Popen(
            ["bash", "--norc", "-c", 'set -m; while IFS= read -r line; do eval "$line"; done'],
            cwd=folder, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, command: str) -> str:
        """Run one command and return all it printed."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{command}\necho '{_END}'\n")
        self._bash.stdin.flush()
        said = []
        for line in self._bash.stdout:
            if line.rstrip("\n").endswith(_END):
                said.append(line.rstrip("\n").removesuffix(_END))
                return "".join(said)
            said.append(line)
        raise AssertionError(f"the shell ended at {command!r}: {''.join(said)}")

    def close(self) -> None:
        """End the shell and whatever still runs in its session."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._bash.wait(30)
        for found in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                pid, rest = found.parent.name, found.read_text().rpartition(")")[2].split()
                if int(rest[3]) == self._bash.pid:
                    os.kill(int(pid), signal.SIGKILL)
        self._bash.stdout.close()
        self._bash.wait()


@contextlib.contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A shell in a folder, ended with everything it started."""
    made = Shell(folder)
    try:
        yield made
    finally:
        made.close()


def on_any_port(home: Path) -> None:
    """Have a state folder's own configuration listen on a free port, so that tests can run side by side."""
    service = home / "config" / "watchkeeper.yaml"
    service.write_text(service.read_text().replace("port: 8765", "port: 0"))
