"""`watchkeeper doctor` says which coding agents ask before they act, and what is wrong with a hook."""

import json

import pytest
from click.testing import CliRunner

from tests.hooks.agents_at_work import AGENTS, settings_of
from watchkeeper.cli import main
from watchkeeper.doctor_hooks import hook_checks


@pytest.fixture(autouse=True)
def nobody_else(tmp_path, monkeypatch):
    """No settings of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.delenv("CODEX_HOME", raising=False)


def found(project):
    return {check.said.split(" ")[0].rstrip(":"): check for check in hook_checks(project.home)}


def test_each_hook_has_its_line(project):
    checks = found(project)
    assert set(checks) == set(AGENTS)
    for agent, check in checks.items():
        assert check.verdict == "ok"
        assert str(settings_of(agent, project.folder)) in check.said
    # What cannot be looked up is said, rather than taken for granted.
    assert "trusted" in checks["codex"].said


@pytest.mark.parametrize("agent", AGENTS)
def test_a_program_that_is_gone_is_named_with_the_cure(project, agent):
    path = settings_of(agent, project.folder)
    path.write_text(path.read_text().replace("bin/watchkeeper hook", "gone/watchkeeper hook"))
    check = found(project)[agent]
    assert (check.verdict, check.cure) == ("bad", f"watchkeeper hook install {agent}")
    assert "gone/watchkeeper" in check.said


def test_a_token_that_is_gone_is_named(project):
    (project.home / "hooks" / "claude.token").unlink()
    checks = found(project)
    assert checks["claude"].verdict == "bad"
    assert checks["codex"].verdict == "ok"


def test_settings_that_cannot_be_read_are_named(project):
    settings_of("gemini", project.folder).write_text('{"hooks": ')
    assert found(project)["gemini"].verdict == "bad"


def test_hooks_of_another_state_folder_are_not_ours(project, tmp_path):
    for agent in AGENTS:
        path = settings_of(agent, project.folder)
        path.write_text(path.read_text().replace(str(project.home), str(tmp_path / "elsewhere")))
    assert not found(project)


def test_a_hook_of_the_user_has_its_line_too(project, tmp_path):
    for agent in AGENTS:
        settings_of(agent, project.folder).unlink()
    (tmp_path / "nobody").mkdir()
    project.cli("hook", "install", "claude", "--user", "--yes")
    checks = found(project)
    assert set(checks) == {"claude"}
    assert str(tmp_path / "nobody" / ".claude") in checks["claude"].said


def test_the_command_prints_it(project):
    said = CliRunner().invoke(main, ["doctor", "--json"], env={"WATCHKEEPER_HOME": str(project.home)})
    checks = [check for check in json.loads(said.output) if check["what"] == "hook"]
    assert [check["verdict"] for check in checks] == ["ok"] * len(AGENTS)
