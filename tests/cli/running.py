"""Running the program as people do: in a process of its own, or within this one where that is enough."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tests.house.tree import ROOT
from tests.patience import PATIENCE_S
from watchkeeper.cli import main

DEMO = ROOT / "simulator" / "demo.wkr"
_SCRIPT = Path(sys.executable).with_name("watchkeeper")
PROGRAM = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "watchkeeper"]

# What would make the program look at somebody's terminal, or speak otherwise on another machine.
_UNSET = ("WATCHKEEPER_HOME", "FORCE_COLOR", "NO_COLOR", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "LINES")


def environment(**more: str) -> dict[str, str]:
    """This process's environment, made plain."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return kept | {"COLUMNS": "100", "TERM": "xterm-256color"} | more


def run(
    *words: object, cwd: Path, before: Callable[[], None] | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed program. `before` runs in its process, before the program does."""
    return subprocess.run(
        [*PROGRAM, *map(str, words)],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        preexec_fn=before,
    )


def start(*words: object, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start the installed program and leave it running."""
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([*PROGRAM, *map(str, words)], cwd=cwd, env=environment(), **given)


def here(*words: object) -> Result:
    """Run the program within this process, in the current folder. A bug comes out as it is."""
    result = CliRunner().invoke(main, [str(word) for word in words], prog_name="watchkeeper")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder and the hash of what is in it; links and devices by what they are.

    What measuring coverage leaves behind in whichever folder a worker ran is not the program's.
    """
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "other"
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() and not path.name.startswith(".coverage.")
    }


def normal(text: str) -> str:
    """Take out of a transcript what differs from run to run and from machine to machine."""
    text = text.replace(f"{ROOT}/", "").replace(str(ROOT), ".")
    text = re.sub(r"in [\d,.]+ s \([\d,]+ facts/s, [\d,]+ decisions/s\)", "in TIME (RATES)", text)
    return re.sub(r"(?m)^(report: ).*$", r"\1REPORT", text)


def hashes(text: str) -> list[str]:
    """The journal and state hashes that a replay printed."""
    return re.findall(r"(?:journal|state) hash\s+([0-9a-f]{64})", text)
