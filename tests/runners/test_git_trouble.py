"""The git runner behind stops, interrupted, raced and out of time."""

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import uvloop

from engine.adapters.git_repository import opened
from engine.errors import EffectRefused, OutcomeUnknown, Stopped, WorldMovedOn
from tests.runners.effects import NotingWatch
from tests.runners.repositories import BRANCH, COMMIT, REVERT, change, of, perform

pytestmark = pytest.mark.asyncio


# ---------------------------------------------------------------- stops and interruptions


async def test_nothing_moves_behind_a_stop(repo):
    change(repo)
    before = repo.picture()
    for act, args in ((COMMIT, {"message": "m", "paths": ["a.txt"]}), (BRANCH, {"name": "agent/two"})):
        with pytest.raises(Stopped):
            await perform(repo, act, effect=act.name, watch=NotingWatch(stopped=True), **args)
    assert repo.picture() == before
    assert not (repo.path / ".git/index.lock").exists()


async def test_what_a_stop_held_back_is_done_later_unless_the_branch_moved(repo):
    change(repo)
    held = NotingWatch(stopped=True)
    for effect in ("d_1", "d_2"):
        with pytest.raises(Stopped):
            await perform(repo, COMMIT, effect=effect, watch=held, message=effect, paths=["a.txt"])
    assert (await perform(repo, COMMIT, effect="d_1", message="d_1", paths=["a.txt"])).success
    with pytest.raises(WorldMovedOn, match="d_1"):
        await perform(repo, COMMIT, effect="d_2", message="d_2", paths=["a.txt"])


async def test_doing_it_twice_is_doing_it_once(repo):
    change(repo)
    for act, args in (
        (BRANCH, {"name": "agent/two"}),
        (COMMIT, {"message": "m", "paths": ["a.txt"]}),
        (REVERT, {"commit": "HEAD"}),
    ):
        await perform(repo, act, effect=act.name, **args)
        after = repo.picture()
        assert (await perform(repo, act, effect=act.name, **args)).success
        assert repo.picture() == after


async def test_a_crash_before_the_index_is_finished_next_time(repo, monkeypatch):
    from engine.adapters.git_repository import Repository

    class Crash(BaseException):
        """Ends it in the middle."""

    def crash(*_):
        raise Crash

    change(repo)
    with monkeypatch.context() as patch:
        patch.setattr(Repository, "replace_index", crash)
        with pytest.raises(Crash):
            await perform(repo, COMMIT, message="m", paths=["."])
    assert repo.git("log", "-1", "--format=%s") == "m"
    assert repo.git("status", "--porcelain") != ""
    assert (await perform(repo, COMMIT, message="m", paths=["."])).success
    assert repo.git("status", "--porcelain") == ""


async def test_a_branch_that_moves_at_the_last_moment_is_not_overwritten(repo):
    change(repo)
    watch = NotingWatch()
    faster = repo.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "faster")
    watch.before = lambda: repo.git("update-ref", "refs/heads/agent/work", faster)
    with pytest.raises(EffectRefused, match="moved just now"):
        await perform(repo, COMMIT, watch=watch, message="m", paths=["a.txt"])
    assert repo.git("log", "-1", "--format=%s") == "faster"


def slow_git(folder: Path, monkeypatch, command: str) -> None:
    """Put a git in front of the real one that sleeps, with a child, in one command."""
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/sh\ncase " $* " in *" {command} "*) sleep 60 & wait;; esac\nexec {real} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def alive(group: int) -> bool:
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


async def test_a_cancelled_effect_leaves_no_process(repo, tmp_path, monkeypatch):
    repo.write("a.txt", "x\n")
    before = repo.picture()
    slow_git(tmp_path / "bin", monkeypatch, "add")
    watch = NotingWatch()
    task = asyncio.ensure_future(perform(repo, COMMIT, watch=watch, message="m", paths=["a.txt"]))
    while not (watch.processes and alive(watch.processes[-1]) and len(watch.processes) > 5):
        await asyncio.sleep(0.02)
        assert not task.done(), task
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(alive(pid) for pid in watch.processes)
    monkeypatch.undo()
    assert repo.picture() == before


@pytest.mark.parametrize(("command", "touched"), [("add", False), ("update-ref", True)])
async def test_time_that_is_up(repo, tmp_path, monkeypatch, command, touched):
    repo.write("a.txt", "x\n")
    slow_git(tmp_path / "bin", monkeypatch, command)
    run = perform(repo, of("commit", timeout_s=1.5), message="m", paths=["a.txt"])
    if touched:
        with pytest.raises(OutcomeUnknown):
            await run
    else:
        assert "1.5 s" in (await run).error
    assert not (repo.path / ".git/index.lock").exists()


async def test_every_process_is_named_to_the_watch(repo):
    repo.write("a.txt", "x\n")
    watch = NotingWatch()
    await perform(repo, COMMIT, watch=watch, message="m", paths=["a.txt"])
    assert len(watch.processes) > 5
    assert not any(alive(pid) for pid in watch.processes)


async def test_a_machine_without_git_says_so(repo, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent / "nowhere"))
    with pytest.raises(EffectRefused, match="not installed"):
        await perform(repo, BRANCH, name="agent/two")


async def test_a_git_that_ends_before_it_is_given_anything_is_no_trouble_on_the_workers_loop(repo):
    """Workers run on uvloop, where writing to a program that has ended raises what no other loop raises."""

    async def asked() -> None:
        async with opened(repo.path, NotingWatch(), writing=False) as repository:
            for _ in range(20):
                assert await repository.head()
                said = await repository.files("no-such-command", stdin=b"x" * (1 << 20), check=False)
                assert said.code != 0

    await asyncio.to_thread(lambda: uvloop.run(asked()))
