"""Whatever goes wrong, no agent takes it for consent: four agents, and everything that can break."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from engine.adapters.journal_lock import WriterLock
from tests.hooks.agents_at_work import (
    AGENTS,
    READ,
    Ended,
    call,
    command_in,
    ended,
    reading,
    settings_of,
    shell,
)
from tests.patience import PATIENCE_S

ODD = {
    "nothing": b"",
    "spaces": b" \n\n",
    "half": b'{"session_id": "s", "tool_na',
    "no JSON": b"rm -rf / please",
    "not UTF-8": b'{"session_id": "\xff\xfe", "tool_name": "Bash"}',
    "a list": b"[]",
    "a number": b"7",
    "an empty object": b"{}",
    "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "not finite": b'{"session_id": NaN}',
    "null bytes": b"\0" * 1000,
}


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("odd", list(ODD))
def test_what_is_no_question_is_blocked(project, agent, odd):
    assert READ[agent](project.ask(agent, ODD[odd])) == "blocked"


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("name", ["tool_name", "tool_input", "session_id", "hook_event_name"])
@pytest.mark.parametrize("value", [None, 5, [], ""])
def test_a_question_with_a_wrong_part_is_blocked(project, agent, name, value):
    name = "conversation_id" if agent == "cursor" and name == "session_id" else name
    said = shell(agent, "ls") | {name: value}
    assert READ[agent](project.ask(agent, said)) == "blocked"
    del said[name]
    assert READ[agent](project.ask(agent, said)) == "blocked"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_question_too_large_to_keep_is_read_to_its_end_and_blocked(project, agent):
    ended_ = project.ask(agent, shell(agent, "x" * (20 << 20)))
    assert ended_.delivered
    assert READ[agent](ended_) == "blocked"
    assert READ[agent](project.ask(agent, shell(agent, "x" * (2 << 20)))) == "blocked"


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize(
    "broken",
    ["token gone", "token wrong", "token open", "policy", "hooks", "actions", "journal", "table", "home"],
)
def test_a_broken_installation_blocks(project, agent, broken):
    home, config = project.home, project.home / "config"
    token = home / "hooks" / f"{agent}.token"
    match broken:
        case "token gone":
            token.unlink()
        case "token wrong":
            token.write_text("wk_aaaaaaaa_" + "a" * 52)
        case "token open":
            token.chmod(0o644)
        case "policy":
            (config / "policies" / "limits.yaml").write_text("owner: [")
        case "hooks":
            (config / "hooks.yaml").write_text("agents: {}")
        case "actions":
            (config / "actions.yaml").write_text("actions: {}")
        case "journal":
            (home / "journal.db").write_bytes(b"not a journal at all" * 100)
        case "table":
            (home / "hooks" / "table.json").write_text('{"key": "x", "agents": {}}')
            (config / "hooks.yaml").write_text("agents: 5")
        case "home":
            home.rename(home.with_name("elsewhere"))
    assert READ[agent](project.ask(agent, shell(agent, "ls"))) == "blocked"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_revoked_token_blocks(project, agent):
    for line in project.cli("token", "list", "--json").splitlines():
        entry = json.loads(line)
        if entry["kind"] == "agent":
            project.cli("token", "revoke", entry["id"])
    assert READ[agent](project.ask(agent, shell(agent, "ls"))) == "blocked"


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_program_that_is_not_there_blocks(project, agent, size):
    command, _ = command_in(settings_of(agent, project.folder), agent)
    for gone in (
        command.replace("bin/python", "bin/no-python"),
        command.replace("bin/watchkeeper", "bin/nothing"),
    ):
        ended_ = call(gone, json.dumps(shell(agent, "x" * size)).encode())
        assert ended_.delivered
        assert READ[agent](ended_) == "blocked"


@pytest.mark.parametrize("agent", AGENTS)
def test_an_interpreter_that_hangs_at_its_start_is_ended_and_blocked(project, agent, tmp_path):
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "python").write_text("#!/bin/sh\nexec sleep 600\n")
    (slow / "python").chmod(0o755)
    command, _ = command_in(settings_of(agent, project.folder), agent)
    before, _, after = command.partition("bin/python")
    hanging = before.rpartition(" ")[0].replace("-k 1 590", "-k 1 1") + f" {slow}/python{after}"
    assert READ[agent](call(hanging, json.dumps(shell(agent, "ls")).encode())) == "blocked"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_question_without_an_end_is_blocked_in_time(project, agent, monkeypatch):
    project.adapt("deadline_s: 585", "deadline_s: 1")
    command, _ = command_in(settings_of(agent, project.folder), agent)
    hook = subprocess.Popen(
        command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    hook.stdin.write(b'{"session_id": ')
    hook.stdin.flush()
    assert hook.wait(PATIENCE_S) == 2
    with hook.stdin, hook.stdout, hook.stderr:
        out, err = hook.stdout.read(), hook.stderr.read()
    assert out == b""
    assert b"no decision within" in err


@pytest.mark.parametrize("agent", AGENTS)
def test_a_journal_that_somebody_keeps_is_waited_for_and_then_blocks(project, agent):
    project.adapt("deadline_s: 585", "deadline_s: 3")
    project.ask(agent, shell(agent, "ls", "before"))
    lock = WriterLock(str(project.home / "journal.db"))
    try:
        assert READ[agent](project.ask(agent, shell(agent, "ls", "meanwhile"))) == "blocked"
    finally:
        lock.release()
    assert READ[agent](project.ask(agent, shell(agent, "ls", "after"))) == "runs"


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("how", ["silent", "hangs up", "nonsense", "half an answer", "an error"])
def test_a_service_that_does_not_answer_blocks(project, agent, how):
    project.adapt("deadline_s: 585", "deadline_s: 3")
    answers = {
        "nonsense": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "half an answer": b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"word": "allow", ',
        "an error": b'HTTP/1.1 503 Busy\r\nContent-Length: 18\r\n\r\n{"detail": "busy"}',
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (project.home / "http.json").write_text(
            json.dumps(
                {"url": f"http://127.0.0.1:{port}", "host": "127.0.0.1", "port": port, "pid": os.getpid()}
            )
        )
        end = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                if how != "hangs up":
                    connection.recv(1 << 16)
                    connection.sendall(answers.get(how, b""))
                if how == "silent":
                    end.wait(PATIENCE_S)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        try:
            assert READ[agent](project.ask(agent, shell(agent, "ls"))) == "blocked"
        finally:
            end.set()
            serving.join()


@pytest.mark.parametrize("agent", AGENTS)
def test_an_address_that_nobody_listens_at_is_passed_over(project, agent):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (project.home / "http.json").write_text(
        json.dumps({"url": f"http://127.0.0.1:{port}", "host": "127.0.0.1", "port": port, "pid": 1})
    )
    assert READ[agent](project.ask(agent, shell(agent, "ls"))) == "runs"


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_an_engine_that_is_killed_in_the_middle_blocks(project, agent, number):
    project.ask(agent, shell(agent, "ls", "before"))
    lock = WriterLock(str(project.home / "journal.db"))
    command, _ = command_in(settings_of(agent, project.folder), agent)
    hook = subprocess.Popen(
        command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    killer = threading.Thread(target=_kill, args=(str(project.home), number))
    try:
        killer.start()
        assert READ[agent](ended(hook, json.dumps(shell(agent, "ls", "killed")).encode())) == "blocked"
    finally:
        killer.join()
        lock.release()
    assert READ[agent](project.ask(agent, shell(agent, "ls", "killed"))) == "runs"


def _kill(home: str, number: int) -> None:
    """Kill the hook's Python once it is there."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"python") and b"hook" in words and home.encode() in words:
                time.sleep(0.2)
                os.kill(int(process.name), number)
                return
        time.sleep(0.005)


@pytest.mark.parametrize("agent", AGENTS)
def test_an_answer_that_cannot_be_written_blocks(project, agent):
    command, _ = command_in(settings_of(agent, project.folder), agent)
    body = json.dumps(reading(agent, "/srv/shop/x")).encode()
    if agent == "codex":
        pytest.skip("Codex hears nothing where it may run, so there is nothing to write")
    ended_ = call(f"{{ {command} ; }} >/dev/full", body)
    assert ended_.status == 2
    assert "blocked" in ended_.err


@pytest.mark.parametrize("agent", AGENTS)
def test_many_calls_at_once_are_all_answered_as_each_alone(project, agent):
    command, _ = command_in(settings_of(agent, project.folder), agent)
    hooks = []
    for nth in range(16):
        bad = nth % 4 == 3
        hook = subprocess.Popen(
            command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        said = shell(agent, "rm -rf /" if bad else f"ls {nth}", f"call-{nth}")
        hook.stdin.write(json.dumps(said).encode())
        hook.stdin.close()
        hook.stdin = None
        hooks.append((bad, hook))
    for bad, hook in hooks:
        out, err = hook.communicate(timeout=PATIENCE_S)
        said = READ[agent](Ended(hook.returncode, out.decode(), err.decode()))
        assert said == ("blocked" if bad else "runs"), err
    words = sorted(each.word for each in project.verdicts())
    assert words == ["allow"] * 12 + ["deny"] * 4
    project.cli("journal", "verify")
