"""Whatever goes wrong between an agent and a tool, the tool does not run, and the agent is told why."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path

import pytest
from mcp import MCPError

from bot.hooks.kept import Kept
from bot.tool_servers.proxy import headers_of
from engine.errors import InputError
from tests.fence.stopping import gone, until
from tests.patience import PATIENCE_S
from tests.tool_servers.conftest import ODD, said, talking

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


async def test_what_policy_allows_runs_and_is_reported(site):
    async with talking(site.odd()) as client:
        read = await client.call_tool("read_it", {"path": "a.txt"})
        failed = await client.call_tool("do_it", {"fail": 1})
    assert (read.is_error, said(read)) == (False, "did read_it")
    assert failed.is_error
    assert [(outcome.ok, outcome.by) for outcome in site.outcomes()] == [
        (True, "executor"),
        (False, "executor"),
    ]
    assert [str(verdict.action) for verdict in site.verdicts()] == ["tool.read", "tool.plan"]
    assert {str(verdict.agent) for verdict in site.verdicts()} == {"mcp-odd"}


async def test_what_policy_denies_never_reaches_the_server(site):
    async with talking(site.odd()) as client:
        denied = await client.call_tool("read_it", {"path": "/etc/shadow"})
        held = await client.call_tool("nobody_knows_it", {})
    assert denied.is_error
    assert said(denied).startswith("Watchkeeper: ")
    assert "held as d_" in said(held)
    assert site.got() == []


@pytest.mark.parametrize("scope", ["all", "agent:mcp-odd", "action:tool.read", "capability:mcp-odd"])
async def test_a_stop_counts_for_the_very_next_call(site, scope):
    async with talking(site.odd()) as client:
        assert not (await client.call_tool("read_it", {"path": "a"})).is_error
        await asyncio.to_thread(site.cli, "kill", scope, "--reason", "it errs")
        stopped = await client.call_tool("read_it", {"path": "a"})
    assert stopped.is_error
    assert "stopped" in said(stopped)
    assert len(site.got()) == 1


async def test_a_stop_ends_a_call_that_runs(site):
    async with talking(site.odd("silent")) as client:
        call = asyncio.create_task(client.call_tool("read_it", {"path": "a"}))
        while not site.got():
            assert not call.done(), said(call.result())
            await asyncio.sleep(0.02)
        await asyncio.to_thread(site.cli, "kill", "--reason", "it hangs")
        ended = await asyncio.wait_for(call, PATIENCE_S)
        assert "stopped all while this ran" in said(ended)
        while not site.got("notifications/cancelled"):
            await asyncio.sleep(0.02)
    (outcome,) = site.outcomes()
    assert not outcome.ok


async def test_a_server_that_ends_in_a_call_is_told_of_and_reported(site):
    with pytest.raises((MCPError, BaseExceptionGroup)):  # noqa: PT012 - leaving the client may raise, too
        async with talking(site.odd("crash")) as client:
            ended = await client.call_tool("read_it", {"path": "a"})
            assert "the server ended" in said(ended)
            await client.call_tool("read_it", {"path": "a"})
    assert [outcome.ok for outcome in site.outcomes()] == [False]
    assert len(site.got()) == 1


async def test_nonsense_between_answers_is_passed_over(site):
    async with talking(site.odd("garbage")) as client:
        for _ in range(3):
            assert said(await client.call_tool("read_it", {"path": "a"})) == "did read_it"


async def test_a_tool_that_was_not_listed_is_asked_about_whatever_its_name(site):
    async with talking(site.odd("hidden")) as client:
        held = await client.call_tool("read_it", {"path": "a"})
    assert "held as d_" in said(held)
    assert site.got() == []
    (verdict,) = site.verdicts()
    assert str(verdict.action) == "tool.mcp"


async def test_many_calls_at_once_are_each_decided(site):
    async with talking(site.odd()) as client:
        paths = ["a.txt", "/etc/shadow"] * 8
        answers = await asyncio.gather(*(client.call_tool("read_it", {"path": path}) for path in paths))
    assert [answer.is_error for answer in answers] == [False, True] * 8
    assert len(site.got()) == 8
    # Who asks for the same again while it is held asks about that.
    assert len(site.verdicts()) == 9


@pytest.mark.parametrize("broken", ["token", "table", "policy", "journal"])
async def test_what_breaks_while_it_runs_lets_nothing_through(site, broken):
    async with talking(site.odd()) as client:
        assert not (await client.call_tool("read_it", {"path": "a"})).is_error
        if broken == "token":
            Kept(site.home).token_file("mcp-odd").unlink()
        elif broken == "table":
            (site.home / "hooks" / "mcp" / "odd.json").write_text("{")
        elif broken == "policy":
            (site.home / "config" / "policies" / "rules.yaml").write_text("rules: 7")
        else:
            (site.home / "journal.db").write_bytes(b"no database " * 1_000)
            for name in ("journal.db-wal", "journal.db-shm"):
                (site.home / name).unlink(missing_ok=True)
        refused = await client.call_tool("read_it", {"path": "b"})
    assert refused.is_error
    assert said(refused).startswith("Watchkeeper: ")
    assert len(site.got()) == 1


async def test_an_engine_that_hangs_refuses_in_time(site):
    site.adapt("deadline_s: 500", "deadline_s: 1")
    with site.up():
        async with talking(site.odd()) as client:
            assert not (await client.call_tool("read_it", {"path": "a"})).is_error
            site.signal(signal.SIGSTOP, "engine")
            try:
                refused = await client.call_tool("read_it", {"path": "b"})
            finally:
                site.signal(signal.SIGCONT, "engine")
    assert refused.is_error
    assert len(site.got()) == 1


async def test_an_engine_that_is_killed_refuses_or_decides_by_itself_and_stops_count_on(site):
    with site.up() as service:
        async with talking(site.odd()) as client:
            assert not (await client.call_tool("read_it", {"path": "a"})).is_error
            service.send_signal(signal.SIGKILL)
            site.signal(signal.SIGKILL)
            service.wait(PATIENCE_S)
            await asyncio.to_thread(site.cli, "kill", "--reason", "the engine is dead")
            refused = await client.call_tool("read_it", {"path": "b"})
    assert refused.is_error
    assert len(site.got()) == 1


async def test_who_approves_lets_the_call_that_waits_run_once(site):
    site.adapt("wait_s: 0", "wait_s: 500")
    told = list[str]()

    async def progress(_done: float, _of: float | None, message: str | None) -> None:
        told.append(message or "")

    with site.up():
        async with talking(site.odd()) as client:
            call = asyncio.create_task(client.call_tool("launch", {"x": 1}, progress_callback=progress))
            while not told:
                assert not call.done(), said(call.result())
                await asyncio.sleep(0.05)
            decision = next(word for word in told[0].split() if word.startswith("d_")).strip(".:`,")
            assert site.got() == []
            await asyncio.to_thread(site.cli, "do", f"/approve {decision} fine")
            assert said(await asyncio.wait_for(call, PATIENCE_S)) == "did launch"
            call = asyncio.create_task(client.call_tool("launch", {"x": 2}))
            while len({verdict.decision_id for verdict in site.verdicts()}) < 2:
                await asyncio.sleep(0.05)
            other = site.verdicts()[-1].decision_id
            await asyncio.to_thread(site.cli, "do", f"/deny {other} no")
            assert "a person denied it" in said(await asyncio.wait_for(call, PATIENCE_S))
    assert len(site.got()) == 1


async def test_a_call_that_is_cancelled_while_it_waits_never_runs(site):
    site.adapt("wait_s: 0", "wait_s: 500")
    with site.up():
        async with talking(site.odd()) as client:
            call = asyncio.create_task(client.call_tool("launch", {}))
            while not site.verdicts():
                assert not call.done(), said(call.result())
                await asyncio.sleep(0.05)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await asyncio.to_thread(site.cli, "do", f"/approve {site.verdicts()[0].decision_id} fine")
            assert said(await client.call_tool("read_it", {"path": "a"})) == "did read_it"
    assert [call["params"]["name"] for call in site.got()] == ["read_it"]


class Raw:
    """A client that says what no SDK would."""

    def __init__(self, site, how: str = "") -> None:
        parameters = site.odd(how)
        self.process = subprocess.Popen(
            [parameters.command, *parameters.args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def say(self, **message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self.process.stdout.readline())


@pytest.mark.parametrize("method", ["tools/run", "tasks/start", "Tools/Call", "tools/call ", "x" * 5_000])
async def test_a_request_nobody_here_knows_is_refused(site, method):
    raw = Raw(site)
    raw.say(id=1, method=method, params={"name": "read_it", "arguments": {"path": "a"}})
    assert raw.hear()["error"]["code"] == -32601
    raw.process.stdin.close()
    assert raw.process.wait(PATIENCE_S) == 0
    assert not site.record.exists()


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"name": 7},
        {"name": ""},
        {"name": "read_it", "arguments": []},
        {"name": "read_it", "arguments": "x"},
    ],
)
async def test_a_call_that_is_none_is_refused(site, params):
    raw = Raw(site)
    raw.say(id=1, method="tools/call", **({} if params is None else {"params": params}))
    answer = raw.hear()
    assert "error" in answer or answer["result"]["isError"], answer
    raw.process.kill()
    raw.process.wait()
    assert site.got() == []


@pytest.mark.parametrize("own", [{}, {"id": None}])
async def test_a_call_that_wants_no_answer_is_a_call_all_the_same(site, own):
    raw = Raw(site)
    params = {"name": "do_it", "arguments": {}}
    for method in ("tools/call", "tools/run"):
        raw.say(**own, method=method, params=params)
    raw.say(method="notifications/initialized")
    raw.say(id=1, method="tools/list")
    while raw.hear().get("id") != 1:
        pass
    raw.process.kill()
    raw.process.wait()
    assert not [line for line in site.record.read_text().splitlines() if "do_it" in line]
    assert site.got("notifications/initialized")


async def test_what_a_server_says_of_a_call_that_a_stop_ended_is_nobodys(site):
    raw = Raw(site, "late")
    raw.say(id=1, method="tools/list")
    raw.hear()
    raw.say(id=2, method="tools/call", params={"name": "read_it", "arguments": {"path": "a"}})
    assert until(lambda: len(site.got()) == 1, within_s=PATIENCE_S)
    await asyncio.to_thread(site.cli, "kill", "--reason", "it hangs")
    assert "while this ran" in raw.hear()["result"]["content"][0]["text"]
    raw.say(id=3, method="tools/list")
    assert raw.hear()["id"] == 3
    raw.process.kill()
    raw.process.wait()


async def test_one_id_twice_is_refused_and_runs_once(site):
    raw = Raw(site, "silent")
    call = {"id": 1, "method": "tools/call", "params": {"name": "read_it", "arguments": {"path": "a"}}}
    raw.say(id=0, method="tools/list")
    raw.hear()
    raw.say(**call)
    raw.say(**call)
    assert raw.hear()["error"]["code"] == -32600
    assert until(lambda: len(site.got()) == 1, within_s=PATIENCE_S)
    raw.process.kill()
    raw.process.wait()


async def test_a_proxy_that_is_killed_leaves_no_server(site):
    raw = Raw(site)
    raw.say(id=0, method="tools/list")
    raw.hear()
    (server,) = [
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit()
        and str(site.record).encode() in _command(path)
        and str(ODD).encode() in _command(path)
        and b"mcp\0proxy" not in _command(path)
    ]
    raw.process.kill()
    raw.process.wait()
    assert until(lambda: gone(server), within_s=PATIENCE_S)


def _command(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""


async def test_a_header_whose_variable_is_not_set_is_said_and_not_sent(monkeypatch):
    monkeypatch.delenv("TICKETS_TOKEN", raising=False)
    for value in ("$TICKETS_TOKEN", "${TICKETS_TOKEN}"):
        with pytest.raises(InputError, match="TICKETS_TOKEN"):
            headers_of((f"Authorization: Bearer {value}",))
    monkeypatch.setenv("TICKETS_TOKEN", "abc")
    found = headers_of(("Authorization: Bearer $TICKETS_TOKEN", "X-Price: 5$", "X-Two: ${TICKETS_TOKEN}c"))
    assert found == {"Authorization": "Bearer abc", "X-Price": "5$", "X-Two": "abcc"}


async def test_a_server_that_cannot_be_started_is_said_with_a_cure(site):
    entry = site.add("odd", "--established", "--", "/no/such/program")
    ended = subprocess.run(
        [entry["command"], *entry["args"]],
        input="",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2
    assert "/no/such/program" in ended.stderr
    assert "Traceback" not in ended.stderr
