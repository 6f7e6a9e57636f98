"""What is suggested never lets through what is denied now, whatever the history holds."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing

import pytest

from engine.core.vocabulary.actions import Action, RiskLevel
from engine.core.vocabulary.ids import ActionName, AgentId
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy
from simulator.discovery import Deeds, Use
from simulator.suggesting import suggest, write
from tests.cli.running import DEMO, here
from tests.house.tree import ROOT
from tests.needs import need

SHELL = ROOT.parent / "shared" / "data" / "shell_commands"


@pytest.fixture(scope="module")
def source():
    return read_policy(SHIPPED_POLICY)


def suggested(source, *, commands=(), actions=()):
    deeds = Deeds(
        commands={text: Use(count=1_000) for text in commands},
        actions={ActionName(name): use for name, use in actions},
    )
    return suggest({AgentId("a"): deeds}, source)


@pytest.mark.parametrize(
    "command",
    [
        "npm ci", "npm i left-pad", "npm init foo", "npm create foo", "npm run deploy:prod",
        "npm version major", "npm run release-it", "pnpm env use", "yarn evil-bin", "yarn workspace a x",
        "make deploy-prod", "make prod:deploy", "make db-drop", "make clean", "make -f x.mk test",
        "make test SHELL=x", "just nuke", "rake db:drop", "cargo login-x", "cargo fix", "cargo vendor x",
        "go generate", "go run x.go", "go mod tidy", "go tool pprof", "mvn deploy:deploy-file",
        "gradle uploadArchives", "dotnet ef database drop", "dotnet nuget", "bazel clean", "prettier CI",
        "black id_rsa", "python -m coverage erase", "python -m tox", "make test clean", "npm test nuke",
        "npm unpublish x",
    ],
)  # fmt: skip
def test_a_name_that_does_not_say_build_or_test_is_no_habit_to_let_through(source, command):
    assert suggested(source, commands=[command]) == []


@pytest.mark.parametrize(
    "command", ["make html", "make lint-api", "just lint", "npm run test:unit", "yarn test", "go build"]
)
def test_what_builds_and_tests_is_suggested_as_it_was_written(source, command):
    (found,) = suggested(source, commands=[command])
    assert found.entry == {"run": command}


def test_of_commands_of_attackers_none_is_suggested(source):
    need(SHELL.is_dir(), "the commands of attackers (../shared/data/shell_commands)")
    with gzip.open(SHELL / "atomic_red_team.jsonl.gz") as file:
        texts = [json.loads(line)["command"] for line in file]
    assert len(texts) > 600
    assert suggested(source, commands=texts) == []


@pytest.mark.parametrize("kind", ["read", "write"])
def test_an_action_that_is_denied_as_unknown_is_never_simply_allowed(source, kind, tmp_path):
    """What only reads was guessed from a name that an agent's author chose."""
    learnt = Action(
        name=ActionName("get_balance"), kind=kind, risk=RiskLevel.SAFE, parameters={}, undo=None, blast=None
    )
    (found,) = suggested(source.with_recorded([learnt]), actions=[("get_balance", Use(count=9))])
    write(source, [found], tmp_path / "p")
    live = build_policy(read_policy(tmp_path / "p" / "policies"))
    assert "get_balance" not in source.actions
    assert live.actions[ActionName("get_balance")].requires_approval


def test_one_no_among_hundreds_does_not_have_people_asked_each_time(source):
    assert suggested(source, actions=[("cache.clear", Use(count=272, turned_down=1))]) == []
    (found,) = suggested(source, actions=[("cache.clear", Use(count=20, turned_down=1))])
    assert found.kind == "approval"


def test_a_discovery_can_be_explained_decision_by_decision(tmp_path, monkeypatch):
    """Its results stay where `explain` looks, and do not take the place of a replay's."""
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    assert here("discover", DEMO).exit_code == 0
    (results,) = (tmp_path / "home" / "replays").glob("discover-*.sqlite")
    with closing(sqlite3.connect(results)) as db:
        (decision,) = db.execute("select decision_id from decisions limit 1").fetchone()
    assert decision in here("explain", decision).stdout
