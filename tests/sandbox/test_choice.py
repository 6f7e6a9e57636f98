"""The best sandbox there is, never none by itself, and a cure where there is no sandbox at all."""

import asyncio
from pathlib import Path

import pytest

from engine.adapters.sandbox_choice import Sandboxes
from engine.errors import EffectRefused
from engine.ports import Program
from tests.sandbox.machines import LIMITS, NotedWatch

NO_ENGINE = "unix:///nowhere/docker.sock"


def refused(sandboxes: Sandboxes, kind: str, workspace: Path) -> EffectRefused:
    """Return the error of a choice that has to refuse."""
    program = Program(effect_id="effect-1", argv=("true",), workspace=workspace, limits=LIMITS)
    with pytest.raises(EffectRefused) as refusal:
        asyncio.run(sandboxes.choose(kind).run(program, NotedWatch()))
    return refusal.value


@pytest.fixture
def sandboxes(tmp_path: Path):
    """The choice on a machine without an engine."""
    made = Sandboxes(home=tmp_path, image="missing", docker_url=NO_ENGINE)
    yield made
    made.close()
    made.close()


def test_without_an_engine_it_is_bubblewrap(sandboxes: Sandboxes) -> None:
    assert sandboxes.choose("auto").describe().backend == "bubblewrap"
    assert sandboxes.choose("auto") is sandboxes.choose("bubblewrap")


def test_without_either_it_refuses_with_both_cures(
    sandboxes: Sandboxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refusal = refused(sandboxes, "auto", tmp_path)
    assert "bwrap is not installed" in refusal.message
    assert "no engine answers" in refusal.message
    assert "install bubblewrap" in refusal.cure
    assert "start Docker" in refusal.cure
    state = sandboxes.choose("auto").describe()
    assert (state.backend, state.working) == ("refusing", False)


def test_it_looks_again_after_a_refusal(
    sandboxes: Sandboxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setenv("PATH", str(tmp_path))
        assert sandboxes.choose("auto").describe().backend == "refusing"
        assert sandboxes.choose("bubblewrap").describe().backend == "refusing"
    sandboxes.close()
    assert sandboxes.choose("auto").describe().backend == "bubblewrap"


def test_a_named_one_is_not_replaced_by_another(sandboxes: Sandboxes, tmp_path: Path) -> None:
    assert "no engine answers" in refused(sandboxes, "docker", tmp_path).message


def test_none_has_to_be_asked_for_and_says_what_it_is(sandboxes: Sandboxes) -> None:
    state = sandboxes.choose("none").describe()
    assert state.working
    assert any("network" in what for what in state.not_limited)


def test_an_engine_elsewhere_is_refused(tmp_path: Path) -> None:
    sandboxes = Sandboxes(home=tmp_path, image="x", docker_url="tcp://127.0.0.1:1")
    assert "cannot mount the workspace" in refused(sandboxes, "docker", tmp_path).message
    sandboxes.close()


@pytest.mark.slow
@pytest.mark.xdist_group("docker")
def test_with_an_engine_and_its_image_it_is_docker(tmp_path: Path, docker_engine) -> None:
    sandboxes = Sandboxes(home=tmp_path, image=docker_engine.image, docker_url=docker_engine.url)
    assert sandboxes.choose("auto").describe().backend == "docker"
    assert [state.backend for state in sandboxes.describe()] == ["docker", "docker", "bubblewrap", "none"]
    sandboxes.close()


@pytest.mark.slow
@pytest.mark.xdist_group("docker")
def test_with_an_engine_without_the_image_it_is_bubblewrap_and_doctor_says_why(
    tmp_path: Path, docker_engine
) -> None:
    sandboxes = Sandboxes(home=tmp_path, image="no-such-image", docker_url=docker_engine.url)
    assert sandboxes.choose("auto").describe().backend == "bubblewrap"
    docker = sandboxes.describe()[1]
    assert (docker.backend, docker.working) == ("docker", False)
    assert "no-such-image" in docker.why
    assert docker.cure
    sandboxes.close()
