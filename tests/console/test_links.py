"""Links into the console: one for whoever starts the service, and what becomes of links and sessions."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

import httpx
from click.testing import CliRunner

from engine.adapters.token_file import TokenFile
from engine.wiring import SHIPPED_CONFIG
from tests.console.bridge import Bridge
from tests.patience import PATIENCE_S
from watchkeeper.commands_console import console
from watchkeeper.commands_token import token


def test_whoever_starts_it_at_a_terminal_gets_a_link_that_lets_in(tmp_path):
    config = tmp_path / "config"
    shutil.copytree(SHIPPED_CONFIG, config)
    file = config / "watchkeeper.yaml"
    file.write_text(file.read_text().replace("port: 8765", "port: 0").replace("processes: 2", "processes: 0"))
    ours, theirs = pty.openpty()
    environment = os.environ | {"WATCHKEEPER_HOME": str(tmp_path / "home")}
    up = [sys.executable, "-m", "watchkeeper", "up", "--config", str(config)]
    process = subprocess.Popen(up, stdout=subprocess.DEVNULL, stderr=theirs, env=environment)
    try:
        said, found, end = "", None, time.monotonic() + PATIENCE_S
        while (found := re.search(r"(http://\S+)/login\?key=(\S+)", said)) is None:
            assert time.monotonic() < end, said
            assert process.poll() is None, said
            if select.select([ours], [], [], 1.0)[0]:
                said += os.read(ours, 65_536).decode()
        entered = httpx.post(
            f"{found[1]}/login",
            data={"key": found[2]},
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=PATIENCE_S,
        )
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert "captain, once within 15 minutes" in said
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        os.close(ours)
        os.close(theirs)


def test_links_and_sessions_are_told_apart_and_taken_back(tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path))
    place = Bridge(tmp_path)
    place.tokens.create(kind="person", name="ray", role="responder")
    session, link = place.session("ray"), place.sessions.invite("ray", "responder")
    other = place.session("cat")
    run = CliRunner()
    listed = run.invoke(token, ["list"]).output
    assert listed.count("a browser that is logged in to the web console") == 2
    assert listed.count("a link into the web console that waits") == 1
    uses = [json.loads(line)["use"] for line in run.invoke(token, ["list", "--json"]).output.splitlines()]
    assert sorted(uses) == ["api", "api", "api", "login", "session", "session"]

    ended = run.invoke(token, ["revoke", "--sessions-of", "ray"])
    assert ended.exit_code == 0, ended.output
    tokens = TokenFile(place.layout.tokens)
    assert [tokens.holder_of(session, "session"), tokens.holder_of(link, "login")] == [None, None]
    assert tokens.holder_of(other, "session") is not None
    assert [entry.name for entry in tokens.entries() if entry.use == "api"] == ["coder-1", "coder-2", "ray"]
    assert "logged in nowhere" in run.invoke(token, ["revoke", "--sessions-of", "ray"]).output
    assert run.invoke(token, ["revoke"]).exit_code != 0
    place.close()


def test_a_link_is_made_for_another_address(tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path))
    place = Bridge(tmp_path)
    with place.served(engine=False) as url:
        run = CliRunner()
        here = json.loads(run.invoke(console, ["--json", "--no-open"]).output)["url"]
        there = json.loads(run.invoke(console, ["--json", "--url", "https://wk.example/"]).output)["url"]
        for wrong in ("wk.example", "ftp://wk.example", "javascript:alert(1)", "https://"):
            refused = run.invoke(console, ["--no-open", "--url", wrong])
            assert "no address of a website" in str(refused.exception), wrong
            assert refused.output == "", "nothing that lets in was made"
    assert here.startswith(f"{url}/login?key=wk_")
    assert there.startswith("https://wk.example/login?key=wk_")
    place.close()
