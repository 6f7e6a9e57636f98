"""Channels of this machine: the terminal's bell and the desktop. And what goes wrong with them."""

import contextlib
import os
import pty
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from engine.errors import InputError
from notifiers.apprise_fanout import AppriseFanOut
from notifiers.channel import NotSent
from notifiers.console_bell import ConsoleBell
from notifiers.desktop import Desktop
from simulator.fakes.fake_provider import FakeProvider, Reply
from tests.notifiers.messages import HOSTILE, message

pytestmark = pytest.mark.asyncio


@pytest.fixture
def terminal():
    """A terminal: what is shown on it is read at the first of the two."""
    shown, keyboard = pty.openpty()
    yield shown, keyboard, Path(os.ttyname(keyboard))
    os.close(shown)
    os.close(keyboard)


async def test_the_console_shows_one_line_and_rings(terminal):
    shown, _, place = terminal
    await ConsoleBell(terminal=place).send(message())
    said = os.read(shown, 4096)
    assert said.startswith(b"watchkeeper: Restart the database? (It does not answer since 02:10.;")
    assert said.endswith(b"\a\r\r\n")
    await ConsoleBell(terminal=place).send(message(purpose="told"))
    assert b"\a" not in os.read(shown, 4096)
    await ConsoleBell(bell=False, terminal=place).send(message())
    assert b"\a" not in os.read(shown, 4096)


async def test_nothing_an_agent_wrote_steers_the_terminal(terminal):
    shown, _, place = terminal
    await ConsoleBell(bell=False, terminal=place).send(message(title=HOSTILE, lines=(HOSTILE,)))
    said = os.read(shown, 8192).decode()
    assert said.count("\n") == 1
    assert not set(said) & set("\x1b\a\x00\u202e\u2066")


async def test_a_terminal_that_takes_nothing_holds_nobody_up(terminal):
    _, keyboard, place = terminal
    termios.tcflow(keyboard, termios.TCOOFF)
    os.set_blocking(keyboard, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(keyboard, b"x" * 4096)
    before = time.monotonic()
    assert (await ConsoleBell(terminal=place).send(message())).delivery == "accepted"
    assert time.monotonic() - before < 60
    termios.tcflow(keyboard, termios.TCOON)


@pytest.mark.parametrize("place", ["/dev/null/nothing", "/dev/full", "."])
async def test_without_a_terminal_the_line_goes_to_the_log(place, capfd):
    await ConsoleBell(terminal=Path(place)).send(message())
    assert "watchkeeper: Restart the database?" in capfd.readouterr().err


async def test_a_process_of_the_supervisor_finds_the_terminal_of_the_one_that_started_it(terminal):
    _, keyboard, place = terminal
    ask = "from notifiers.console_bell import own_terminal; print(own_terminal())"
    start = (
        "import subprocess as s, sys; "
        f"s.run([sys.executable, '-c', {ask!r}], stdin=s.DEVNULL, stderr=s.DEVNULL, start_new_session=True)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", start], stderr=keyboard, stdin=-3, stdout=-1, text=True, check=True
    )
    assert ended.stdout.strip() == str(place)


# ---------------------------------------------------------------- desktop


@pytest.fixture
def shows(tmp_path):
    """A program in the place of notify-send that notes what it was given."""
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nfor each in "$@"; do printf "%s\\0" "$each"; done > {tmp_path}/given\n')
    program.chmod(0o700)
    return program


async def test_the_desktop_is_given_words_never_a_command_line(shows):
    await Desktop(program=str(shows)).send(
        message(title="--help; rm -rf $(id)", lines=("<b>x</b> `id`",), severity="critical", link="")
    )
    given = (shows.parent / "given").read_text().split("\0")[:-1]
    assert given[:2] == ["--app-name=Watchkeeper", "--urgency=critical"]
    assert given[3:5] == ["--", "--help; rm -rf $(id)"]
    assert given[5].startswith("&lt;b&gt;x&lt;/b&gt; `id`")


async def test_a_desktop_that_fails_hangs_or_is_not_there_is_told(shows, tmp_path):
    shows.write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    with pytest.raises(NotSent, match="no bus") as failed:
        await Desktop(program=str(shows)).send(message())
    assert failed.value.kind == "broken"
    shows.write_text("#!/bin/sh\nexec sleep 1000\n")
    with pytest.raises(NotSent) as failed:
        await Desktop(program=str(shows), deadline_s=0.2).send(message())
    assert failed.value.kind == "unsure"
    gone = Desktop(program=str(tmp_path / "gone"))
    with pytest.raises(NotSent) as failed:
        await gone.send(message())
    assert failed.value.kind == "setup"
    assert "libnotify-bin" in await gone.check("")


async def test_the_real_notify_send_without_a_desktop_is_told():
    if shutil.which("notify-send") is None:
        pytest.skip("notify-send is not installed, and nothing promises it")
    with pytest.raises(NotSent):
        await Desktop().send(message())


# ---------------------------------------------------------------- Apprise


async def test_apprise_sends_what_is_not_critical_and_refuses_what_is():
    async with FakeProvider(lambda _: Reply()) as provider:
        channel = AppriseFanOut([provider.url.replace("http://", "json://")])
        assert channel.capabilities.critical is False
        assert (await channel.send(message(title=HOSTILE))).delivery == "accepted"
        assert "database" not in provider.requests[0].table["title"]
        assert "It does not answer" in provider.requests[0].table["message"]
        with pytest.raises(NotSent) as refused:
            await channel.send(message(severity="critical"))
        assert refused.value.kind == "setup"
        assert len(provider.requests) == 1
        provider.faults.append(Reply(status=500))
        with pytest.raises(NotSent) as failed:
            await channel.send(message())
        assert failed.value.kind == "unsure"


async def test_apprise_refuses_an_address_it_does_not_know_without_showing_it():
    with pytest.raises(InputError, match="apprise-urls:2") as refused:
        AppriseFanOut(["json://127.0.0.1", "nonsense://secret@host"])
    assert "secret" not in str(refused.value)
    with pytest.raises(InputError, match="no address"):
        AppriseFanOut([])


async def test_apprise_is_an_extra_that_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(InputError, match=r"watchkeeper\[apprise\]"):
        AppriseFanOut(["json://127.0.0.1"])
