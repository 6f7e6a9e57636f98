"""`watchkeeper demo` as a person meets it: a link that lets in, something to answer, and a clean end."""

import contextlib
import re
import signal
import subprocess
import sys

import httpx
import pytest

from engine.adapters.linux_processes import environment as environment_of
from engine.adapters.linux_processes import look_at_all
from engine.errors import InputError, JournalBusy
from engine.runtime.layout import Layout
from engine.runtime.processes import only_supervisor
from engine.wiring.service import check, open_service
from notifiers.pager_process import ladder_channels
from tests.cli.running import environment
from tests.fence.stopping import until
from tests.patience import PATIENCE_S
from watchkeeper.commands_demo import has_screen
from watchkeeper.demo_service import run_demo, write_config


def left(home):
    """Every process that still runs for this state folder, with its command."""
    own = f"{home}".encode()
    return {
        pid
        for pid, seen in look_at_all().items()
        if not seen.is_over and environment_of(pid).get(b"WATCHKEEPER_HOME", b"").startswith(own)
    }


@pytest.fixture
def running(tmp_path):
    """The demo as it runs, its state folder, and what it said."""
    home = tmp_path / "home"
    said = (tmp_path / "said").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "watchkeeper", "demo", "--no-open", "--quick"],
        cwd=tmp_path,
        env=environment(WATCHKEEPER_HOME=str(home)),
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def text():
        said.seek(0)
        return said.read()

    yield process, home / "demo", text
    process.kill()
    process.wait()
    until(lambda: not left(home), within_s=PATIENCE_S)
    said.close()


@contextlib.contextmanager
def entered(link):
    """A client that logged in by the link, as a browser does."""
    url, key = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/login\?key=(\S+)", link).groups()
    with httpx.Client(
        base_url=url,
        headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"},
        trust_env=False,
        timeout=PATIENCE_S,
    ) as client:
        assert client.get("/login", params={"key": key}).status_code == 200
        assert client.post("/login", data={"key": key}).status_code == 303
        yield client


@pytest.mark.long
def test_the_whole_demo(running):
    process, home, text = running
    assert until(lambda: "/login?key=" in text() or process.poll() is not None, within_s=PATIENCE_S)
    assert process.poll() is None, text()
    link = re.search(r"http\S+/login\?key=\S+", text())[0]
    with entered(link) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "The engine does not answer" not in page.text

        # The one that misbehaves wakes somebody, and its words are only words.
        assert until(lambda: "critical ·" in client.get("/").text, within_s=PATIENCE_S)
        page = client.get("/").text
        assert "<script>alert" not in page
        (decision, *_) = re.findall(r"(d_[0-9a-f]{15})", page[page.index("critical ·") :])
        said = client.post("/console/say", data={"line": f"deny {decision} not like this"})
        assert said.status_code == 200
        assert until(
            lambda: "critical ·" not in client.get("/").text or decision not in client.get("/").text,
            within_s=PATIENCE_S,
        )

    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0, text()
    assert left(home) == set()
    assert (home / "journal.db").exists()
    assert [path.read_text() for path in (home / "logs").glob("agents.log")] == [""]


def test_what_another_demo_uses_is_not_thrown_away(tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path))
    home = tmp_path / "demo"
    home.mkdir()
    (home / "made-by-watchkeeper-demo").touch()
    (home / "journal.db").touch()
    with only_supervisor(Layout(home)), pytest.raises(JournalBusy):
        run_demo(seed=7, opens=False, histories=False)
    assert (home / "journal.db").exists()


@pytest.mark.parametrize("kind", ["somebody's folder", "a link", "a file"])
def test_only_what_a_demo_made_is_thrown_away(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    mine, home = tmp_path / "mine", tmp_path / "home" / "demo"
    mine.mkdir()
    (mine / "notes").write_text("mine")
    if kind == "a link":
        (mine / "made-by-watchkeeper-demo").touch()
        home.symlink_to(mine)
    elif kind == "a file":
        home.write_text("mine")
    else:
        mine.rename(home)
        mine = home
    with pytest.raises(InputError, match="no demo made it"):
        run_demo(seed=7, opens=False, histories=False)
    if kind != "a file":
        assert (mine / "notes").read_text() == "mine"


def test_its_configuration_is_a_valid_one_and_says_what_is_otherwise(tmp_path):
    service = open_service(tmp_path, write_config(tmp_path / "config"))
    policy = check(service, ladder_channels(service))
    assert (service.settings.http.host, service.settings.http.port) == ("127.0.0.1", 0)
    assert {limit.id for limit in policy.limits if limit.window_us == 300_000_000} == {
        "cost_per_5_minutes",
        "cost_per_5_minutes_and_agent",
    }


def test_without_a_screen_no_browser_is_opened(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not has_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_screen()
