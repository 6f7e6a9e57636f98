"""Claude Code, Codex and Gemini CLI as their makers ship them, with our hook: what really runs, and what not.

Each is told by a scripted model what to do, with its own permissions off, so that what did not run was kept
from it by the hook. `make coding-agents` installs them; Cursor cannot be had, and has its stand-in only.
"""

import json
import os
import re
import signal
import sys
import time

import pytest

from tests.hooks.agents_at_work import settings_of
from tests.hooks.conftest import Project
from tests.hooks.models import DONE, MARK, Model, Use
from tests.hooks.real_agents import FREE, REAL, TRUSTING, run
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("real-agents")]


def shell(agent, command):
    """A shell command, as each model asks for one."""
    if agent == "codex":
        return Use("exec_command", {"cmd": command})
    if agent == "gemini":
        return Use("run_shell_command", {"command": command})
    return Use("Bash", {"command": command, "description": "as told"})


def writing(agent, path, text):
    """A file written, as each model asks for it."""
    if agent == "codex":
        return Use("apply_patch", {}, text=f"*** Begin Patch\n*** Add File: {path}\n+{text}\n*** End Patch\n")
    if agent == "gemini":
        return Use("write_file", {"file_path": str(path), "content": text})
    return Use("Write", {"file_path": str(path), "content": text})


def unknown(agent):
    """A real tool of each that hooks.yaml does not name, so that a person must be asked."""
    return {
        "claude": Use("CronList", {}),
        "codex": Use("list_mcp_resources", {}),
        "gemini": Use("save_memory", {"fact": "x"}),
    }[agent]


@pytest.fixture
def works(project, tmp_path):
    """Have an agent work through a script, and return the model with what it was told."""

    def work(agent, turns, *, more=(), home="home", **script):
        (project.folder / "notes.txt").write_text("milk\n")
        with Model(turns, **script) as model:
            words = [*more, *FREE[agent]] if agent == "gemini" else [*FREE[agent], *more]
            ended = run(agent, project.folder, model, tmp_path / home, options=words)
            assert model.strangers == [], model.strangers
            assert ended.returncode == 0, ended.stderr
            assert DONE in ended.stdout
            return model

    return work


@pytest.mark.parametrize("agent", REAL)
def test_what_policy_allows_runs_and_is_reported(project, works, agent):
    path = project.folder / "made.txt"
    works(agent, [[writing(agent, path, "bread")], [shell(agent, "cat notes.txt")]])
    assert path.read_text().strip() == "bread"
    verdicts = project.verdicts()
    assert [(each.word, each.action) for each in verdicts] == [
        ("allow", "tool.patch" if agent == "codex" else "tool.write"),
        ("allow", "tool.shell"),
    ]
    # Codex does not tell a hook how a command ended.
    assert [each.ok for each in project.outcomes()] == [True] * (1 if agent == "codex" else 2)


@pytest.mark.parametrize("agent", REAL)
def test_what_failed_is_never_reported_as_well_done(project, works, agent):
    works(agent, [[shell(agent, "cat missing.txt")]])
    assert [each.word for each in project.verdicts()] == ["allow"]
    assert [each.ok for each in project.outcomes()] == ([] if agent == "codex" else [False])


@pytest.mark.parametrize("agent", REAL)
def test_what_policy_denies_does_not_run_and_the_model_learns_why(project, works, agent):
    target = project.home / "tokens.json"
    before = target.read_bytes()
    model = works(agent, [[shell(agent, f"rm -rf {project.folder}/.. ~")], [writing(agent, target, "{}")]])
    assert target.read_bytes() == before
    assert (project.folder / "notes.txt").exists()
    assert [each.word for each in project.verdicts()] == ["deny", "deny"]
    for verdict in project.verdicts():
        assert f"denied ({verdict.decision_id})" in model.told


@pytest.mark.parametrize("agent", REAL)
def test_what_is_held_does_not_run_and_the_model_learns_how_to_have_it_approved(project, works, agent):
    model = works(agent, [[shell(agent, "echo hi > made.txt")]])
    assert not (project.folder / "made.txt").exists()
    (verdict,) = project.verdicts()
    assert verdict.word == "hold"
    assert f"/approve {verdict.decision_id}" in model.told


@pytest.mark.parametrize("agent", REAL)
def test_a_stop_between_two_calls_stops_the_second(project, works, agent):
    first, second = project.folder / "first.txt", project.folder / "second.txt"

    def between(nth):
        if nth == 1:
            project.cli("kill", "all", "--reason", "enough")

    model = works(
        agent,
        [[writing(agent, first, "a")], [writing(agent, second, "b"), shell(agent, "ls")]],
        between=between,
    )
    assert first.exists()
    assert not second.exists()
    assert [each.word for each in project.verdicts()] == ["allow", "deny", "deny"]
    assert "stopped" in model.told


@pytest.mark.parametrize("agent", REAL)
def test_calls_of_one_message_are_each_decided(project, works, agent):
    good = [writing(agent, project.folder / f"good-{nth}.txt", "a") for nth in range(3)]
    bad = [shell(agent, f"echo {nth} > bad-{nth}.txt") for nth in range(3)]
    works(agent, [[each for pair in zip(good, bad, strict=True) for each in pair]])
    assert sorted(path.name for path in project.folder.glob("*-*.txt")) == [f"good-{n}.txt" for n in range(3)]
    assert sorted(each.word for each in project.verdicts()) == ["allow"] * 3 + ["hold"] * 3
    assert [each.ok for each in project.outcomes()] == [True] * 3
    project.cli("journal", "verify")


BREAK = {
    "the program is gone": lambda command, home: command.replace(
        "/watchkeeper hook", "/watchkeeper-gone hook"
    ),
    "no token": lambda command, home: (home / "hooks").rename(home / "hooks-gone") and command,
    "it hangs": lambda command, home: command.replace(
        "timeout -k 1 590 ", 'timeout -k 1 2 sh -c "sleep 600" '
    ),
    "it is killed": lambda command, home: command.replace("timeout -k 1 590 ", "timeout -s KILL 0.05 "),
}


@pytest.mark.parametrize("agent", REAL)
@pytest.mark.parametrize("how", list(BREAK))
def test_a_hook_that_cannot_answer_lets_nothing_run(project, works, agent, how):
    settings = settings_of(agent, project.folder)
    said = json.loads(settings.read_text())
    event = next(iter(said["hooks"]))
    (hook,) = said["hooks"][event][0]["hooks"]
    hook["command"], was = BREAK[how](hook["command"], project.home), hook["command"]
    assert hook["command"] != was or how == "no token"
    settings.write_text(json.dumps(said))
    works(agent, [[writing(agent, project.folder / "made.txt", "a"), shell(agent, "touch touched.txt")]])
    assert not (project.folder / "made.txt").exists()
    assert not (project.folder / "touched.txt").exists()


@pytest.mark.parametrize("agent", REAL)
def test_past_its_own_limit_an_agent_would_run_the_call_so_ours_comes_first(project, works, agent):
    """Measured, not assumed: this is why the hook's deadline lies below the agent's limit."""
    settings = settings_of(agent, project.folder)
    said = json.loads(settings.read_text())
    event = next(iter(said["hooks"]))
    (hook,) = said["hooks"][event][0]["hooks"]
    hook |= {"command": "sleep 20", "timeout": 1000 if agent == "gemini" else 1}
    settings.write_text(json.dumps(said))
    works(agent, [[writing(agent, project.folder / "made.txt", "a")]])
    assert (project.folder / "made.txt").exists()


@pytest.mark.parametrize("agent", REAL)
def test_calls_of_a_sub_agent_are_decided_too(project, works, agent):
    start = {
        "claude": Use("Agent", {"description": "x", "prompt": MARK, "subagent_type": "general-purpose"}),
        "codex": Use("spawn_agent", {"message": MARK}, space="multi_agent_v1"),
        "gemini": Use("invoke_agent", {"agent_name": "generalist", "prompt": MARK}),
    }[agent]
    inner = [[shell(agent, "echo sub > sub.txt")]]
    if agent == "gemini":
        inner.append([Use("complete_task", {"result": "done"})])
    turns, script = [[start]], {"sub_turns": inner}
    with Model(turns, **script) as model:
        # Codex and Claude Code do not wait for it by themselves.
        turns.append(lambda _: until(lambda: model.sub_turns_taken > 1) or DONE)
        run(agent, project.folder, model, project.folder.parent / "home")
        assert model.sub_turns_taken > 1
    assert not (project.folder / "sub.txt").exists()
    assert [(each.word, each.action) for each in project.verdicts()] == [
        ("allow", "tool.delegate"),
        ("hold", "tool.shell"),
    ]


def until(there):
    until = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_codex_runs_everything_until_its_hook_is_trusted(project, tmp_path):
    """The trap that the page warns of: headless, nobody is asked whether to trust it, and it is left out."""
    words = [each for each in FREE["codex"] if each != TRUSTING]
    (project.folder / "notes.txt").write_text("milk\n")
    with Model([[shell("codex", "touch made.txt")]]) as model:
        run("codex", project.folder, model, tmp_path / "home", options=words)
    assert (project.folder / "made.txt").exists()
    assert not (project.home / "journal.db").exists()


def typed(asked):
    """What a model types into the program that it started last."""
    (*_, session) = re.findall(r"session ID (\d+)", json.dumps(asked))
    return [Use("write_stdin", {"session_id": int(session), "chars": "hello\n", "yield_time_ms": 500})]


START = Use("exec_command", {"cmd": "cat", "tty": True, "yield_time_ms": 500})


def test_what_codex_types_into_a_running_program_no_hook_sees(project, works):
    """The other trap: so a program that takes commands must not be allowed to start, and is not."""
    model = works("codex", [[START], typed])
    assert model.told.count("hello") > 1
    assert [each.action for each in project.verdicts()] == ["tool.shell"]


@pytest.mark.parametrize(
    "program", ["bash", "python3", "sqlite3 a.db", "psql", "node", "ssh host", "less notes.txt"]
)
def test_a_program_that_takes_commands_is_not_started(project, works, program):
    works("codex", [[Use("exec_command", {"cmd": program, "tty": True, "yield_time_ms": 500})]])
    assert [each.word for each in project.verdicts()] == ["hold"]


def test_without_its_terminals_codex_has_no_way_to_type(project, works):
    plain = Use("exec_command", {"cmd": "cat", "yield_time_ms": 500})
    model = works("codex", [[START], [plain]], more=["-c", "features.unified_exec_tty=false"])
    assert "TTY execution is disabled" in model.told
    assert "Process exited with code 0" in model.told
    assert "Process running" not in model.told


SERVER = """
import json, pathlib, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answers = {
        "initialize": {
            "protocolVersion": asked.get("params", {}).get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "till", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "pay", "description": "Pay.", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "paid"}]},
    }
    if asked["method"] == "tools/call":
        pathlib.Path(sys.argv[1]).touch()
    answer = {"jsonrpc": "2.0", "id": asked["id"], "result": answers.get(asked["method"], {})}
    print(json.dumps(answer), flush=True)
"""


@pytest.mark.parametrize("agent", REAL)
@pytest.mark.parametrize("word", ["hold", "allow"])
def test_tools_of_mcp_servers_are_decided_too(project, works, tmp_path, agent, word):
    server, paid, home = tmp_path / "server.py", tmp_path / "paid", tmp_path / "home"
    server.write_text(SERVER)
    start = {"command": sys.executable, "args": [str(server), str(paid)]}
    if word == "allow":
        # A responder may map a tool that is known to be harmless.
        line = "- {tool: 'mcp_*till*pay', action: tool.plan, arguments: {input: '*'}}\n      "
        project.adapt("- {tool: 'mcp_", line + "- {tool: 'mcp_")
    more = []
    if agent == "claude":
        more = ["--mcp-config", json.dumps({"mcpServers": {"till": start}}), "--strict-mcp-config"]
        use = Use("mcp__till__pay", {})
    elif agent == "codex":
        more = [
            "-c",
            f"mcp_servers.till={{command={json.dumps(start['command'])}, args={json.dumps(start['args'])}}}",
        ]
        use = Use("pay", {}, space="mcp__till")
    else:
        (home / ".gemini").mkdir(parents=True)
        (home / ".gemini" / "settings.json").write_text(json.dumps({"mcpServers": {"till": start}}))
        use = Use("mcp_till_pay", {})
    works(agent, [[use]], more=more)
    assert paid.exists() == (word == "allow")
    (verdict,) = project.verdicts()
    assert (verdict.word, verdict.action) == (word, "tool.mcp" if word == "hold" else "tool.plan")


@pytest.mark.parametrize("agent", REAL)
def test_settings_of_the_user_count_in_every_project(tmp_path, agent):
    home, first, other = tmp_path / "home", Project(tmp_path / "first"), tmp_path / "other"
    for folder in (home, first.folder, other):
        folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("CODEX_HOME", raising=False)
        first.cli("hook", "install", agent, "--user", "--yes", "--established")
    with Model([[shell(agent, "touch made.txt")]]) as model:
        run(agent, other, model, home)
    assert not (other / "made.txt").exists()
    assert [each.word for each in first.verdicts()] == ["hold"]


@pytest.mark.parametrize("agent", REAL)
def test_an_engine_that_is_killed_between_two_calls_stops_the_second(project, works, agent):
    first, second = project.folder / "first.txt", project.folder / "second.txt"
    with project.up() as service:

        def between(nth):
            if nth == 1:
                processes = json.loads((project.home / "processes.json").read_text())["processes"]
                # Its supervisor would start another.
                service.send_signal(signal.SIGSTOP)
                os.kill(next(each["pid"] for each in processes if each["name"] == "engine"), signal.SIGKILL)
                project.adapt("deadline_s: 585", "deadline_s: 3")

        try:
            works(agent, [[writing(agent, first, "a")], [writing(agent, second, "b")]], between=between)
        finally:
            service.send_signal(signal.SIGCONT)
    assert first.exists()
    assert not second.exists()


def test_claude_ends_a_run_that_is_deferred_and_goes_on_when_it_is_approved(project):
    project.adapt("held: {interactive: ask, headless: deny}", "held: {interactive: ask, headless: defer}")
    made = project.folder / "made.txt"
    with Model([[shell("claude", "touch made.txt")]]) as model:
        ended = run("claude", project.folder, model, project.folder.parent / "home", options=_AS_JSON)
        said = json.loads(ended.stdout)
        assert said["stop_reason"] == "tool_deferred"
        assert len(model.asked) == 1
        assert not made.exists()
        with project.up():
            project.cli("do", f"/approve {project.verdicts()[0].decision_id} fine")
        again = ["--resume", said["session_id"], *FREE["claude"]]
        run("claude", project.folder, model, project.folder.parent / "home", options=again)
    assert made.exists()
    assert [each.word for each in project.verdicts()] == ["hold"]
    assert [(each.ok, each.by) for each in project.outcomes()] == [(True, "executor")]


_AS_JSON = ["--output-format", "json", *FREE["claude"]]
