"""Claude Code at a terminal: what is held is asked there, and runs only when somebody says so."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from tests.hooks.models import Model
from tests.hooks.real_agents import Home, program
from tests.hooks.test_real_agents import shell
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("real-agents")]

# Escape sequences and spaces: what is left of a screen is its words, in the order they were drawn.
_NO_WORD = re.compile(rb"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?>]*[a-zA-Z]|\s")
ENTER, ESCAPE = b"\r", b"\x1b"


class Terminal:
    """Claude Code in a terminal of its own, past the questions of its first start."""

    def __init__(self, project, home, model, mode):
        env = Home("claude", home).made(model, project)
        known = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [env["ANTHROPIC_API_KEY"][-20:]], "rejected": []},
            "projects": {str(project): {"hasTrustDialogAccepted": True}},
        }
        (home / ".claude.json").write_text(json.dumps(known))
        words = [*program("claude"), "--permission-mode", mode, "do it"]
        self.drawn = b""
        self._screen, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._agent = subprocess.Popen(
            words, cwd=project, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)

    def until(self, there, *, pressing=b""):
        """Read the screen until something is so, and press a key now and then until it is taken."""
        end = time.monotonic() + PATIENCE_S
        pressed = 0.0
        while not there():
            assert time.monotonic() < end, self.words
            if pressing and time.monotonic() > pressed + 5:
                os.write(self._screen, pressing)
                pressed = time.monotonic()
            if select.select([self._screen], [], [], 0.1)[0]:
                self.drawn += os.read(self._screen, 1 << 16)

    @property
    def words(self):
        return _NO_WORD.sub(b"", self.drawn).decode(errors="replace")

    def close(self):
        self._agent.kill()
        self._agent.wait()
        os.close(self._screen)


@pytest.fixture
def at_a_terminal(project, tmp_path):
    """Have Claude Code start in a mode, with a model that wants a file touched."""
    with contextlib.ExitStack() as ends:

        def start(mode):
            model = ends.enter_context(Model([[shell("claude", "touch made.txt")]]))
            terminal = Terminal(project.folder, tmp_path / "home", model, mode)
            ends.callback(terminal.close)
            return terminal, model

        yield start


@pytest.mark.parametrize("mode", ["default", "acceptEdits"])
def test_what_is_held_is_asked_and_runs_when_somebody_says_so(project, at_a_terminal, mode):
    terminal, model = at_a_terminal(mode)
    terminal.until(lambda: "proceed?" in terminal.words)
    assert not (project.folder / "made.txt").exists()
    terminal.until(lambda: len(model.asked) > 1, pressing=ENTER)
    assert (project.folder / "made.txt").exists()
    assert [each.word for each in project.verdicts()] == ["hold"]
    terminal.until(project.outcomes)
    assert [(each.ok, each.by) for each in project.outcomes()] == [(True, "incumbent")]


def test_whoever_says_no_there_is_obeyed(project, at_a_terminal):
    terminal, _ = at_a_terminal("default")
    terminal.until(lambda: "proceed?" in terminal.words)
    terminal.until(lambda: "Interrupted" in terminal.words or "rejected" in terminal.words, pressing=ESCAPE)
    assert not (project.folder / "made.txt").exists()
    assert not project.outcomes()


def test_in_a_mode_that_decides_by_itself_what_is_held_is_denied(project, at_a_terminal):
    terminal, model = at_a_terminal("auto")
    terminal.until(lambda: len(model.asked) > 1)
    assert f"/approve {project.verdicts()[0].decision_id}" in model.told
    assert not (project.folder / "made.txt").exists()
