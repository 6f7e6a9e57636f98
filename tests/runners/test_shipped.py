"""The shipped registry: every action in it that one of these runners performs is one that it accepts."""

import pytest

from engine.adapters.runner_docker import DockerRunner
from engine.adapters.runner_file import FileRunner
from engine.adapters.runner_git import GitRunner
from engine.adapters.runner_http import HttpRunner
from engine.errors import EffectRefused
from tests.builders import shipped

RUNNERS = {"file": FileRunner(), "git": GitRunner(), "http": HttpRunner(), "docker": DockerRunner()}
PERFORMED = [action for action in shipped().actions.values() if action.run and action.run.runner in RUNNERS]


@pytest.mark.parametrize("action", PERFORMED, ids=lambda action: action.name)
def test_its_runner_accepts_it(action):
    RUNNERS[action.run.runner].check(action)


def test_every_runner_here_has_an_action():
    assert {action.run.runner for action in PERFORMED} == RUNNERS.keys()


def test_what_we_perform_and_changes_the_world_can_be_undone():
    assert [action.name for action in PERFORMED if action.kind == "write" and action.undo is None] == []


def test_nothing_runs_without_a_sandbox_and_what_is_final_or_unknown_always_asks():
    actions = shipped().actions.values()
    assert [action.name for action in actions if action.unsandboxed] == []
    asking = [action.name for action in actions if action.requires_approval]
    assert asking == ["container.stop", "tool.unsandboxed", "tool.mcp", "tool.other"]


@pytest.mark.asyncio
async def test_http_get_as_shipped_reaches_nothing(bench):
    job = bench.job(shipped().actions["http.get"], {"url": "https://example.org/"})
    with pytest.raises(EffectRefused, match="list of hosts"):
        await RUNNERS["http"].perform(job)
