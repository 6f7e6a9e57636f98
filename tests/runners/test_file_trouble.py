"""The file runner among attackers, stops, interruptions and failing disks."""

import asyncio
import itertools
import os
import subprocess
import sys
import threading

import pytest

from engine.errors import EffectRefused, Stopped, WorldMovedOn
from tests.patience import PATIENCE_S
from tests.runners.effects import Bench, NotingWatch, action
from tests.runners.files import CREATE, DELETE, MOVE, WAYS, WRITE, perform, undo
from tests.runners.small_disk import make_read_only, small_disk

pytestmark = pytest.mark.asyncio


# ---------------------------------------------------------------- races


async def test_a_folder_swapped_for_a_link_leads_nowhere(full, tmp_path):
    """An attacker swaps a folder for a link outside and back, all the time."""
    out = tmp_path / "out"
    out.mkdir()
    real, link = full.workspace / "race", full.workspace / "sub/spare"
    real.mkdir()
    link.symlink_to(out)
    # An exchange in one step, as an attacker in the sandbox could do it.
    swapper = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SWAP, str(real), str(link), stdout=subprocess.PIPE
    )
    try:
        assert await swapper.stdout.readline() == b"swapping\n"
        done = refused = 0
        # As long as it takes until each has won at least once: how the two are scheduled is not ours to say.
        for number in itertools.count():
            if number >= 300 and done and refused:
                break
            try:
                result = await perform(full, WRITE, effect=f"d_{number}", path=f"race/{number}", content="x")
                done += result.success
            except EffectRefused:
                refused += 1
    finally:
        swapper.kill()
        await swapper.communicate()
    assert list(out.iterdir()) == []
    assert not list(full.workspace.rglob(".watchkeeper-*"))


SWAP = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
a, b = (name.encode() for name in sys.argv[1:])
print("swapping", flush=True)
while True:
    libc.renameat2(-100, a, -100, b, 2)
"""


async def test_a_folder_swapped_at_the_last_moment_leads_nowhere(full, tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    def swap():
        (full.workspace / "sub").rename(full.workspace / "was")
        (full.workspace / "sub").symlink_to(out)

    watch = NotingWatch()
    watch.before = swap
    with pytest.raises(EffectRefused):
        await perform(full, WRITE, watch=watch, path="sub/new.txt", content="x")
    assert list(out.iterdir()) == []
    assert not list((full.workspace / "was").glob(".watchkeeper-*"))


@pytest.mark.parametrize(
    ("act", "args"),
    [
        (WRITE, {"path": "a.txt", "content": "x"}),
        (DELETE, {"paths": ["a.txt"]}),
        (MOVE, {"path": "a.txt", "to": "b.txt"}),
    ],
)
async def test_a_change_at_the_last_moment_is_not_lost(full, act, args):
    watch = NotingWatch()
    watch.before = lambda: (full.workspace / "a.txt").write_text("somebody else's")
    try:
        result = await perform(full, act, watch=watch, **args)
    except EffectRefused as refusal:
        assert "just now" in str(refusal)  # noqa: PT017 - a move has touched something by then, and fails
    else:
        assert not result.success
        assert "just now" in result.error
    assert (full.workspace / "a.txt").read_text() == "somebody else's"


async def test_a_file_that_appears_at_the_last_moment_is_not_overwritten(full):
    watch = NotingWatch()
    watch.before = lambda: (full.workspace / "new.txt").write_text("first")
    with pytest.raises(EffectRefused, match="just now"):
        await perform(full, CREATE, watch=watch, path="new.txt", content="second")
    assert (full.workspace / "new.txt").read_text() == "first"


# ---------------------------------------------------------------- stops, interruptions, failing disks


@pytest.mark.parametrize(("act", "args"), WAYS)
async def test_nothing_happens_behind_a_stop(full, act, args):
    before = full.tree()
    with pytest.raises(Stopped):
        await perform(full, act, watch=NotingWatch(stopped=True), **args)
    assert full.tree() == before


async def test_a_crash_between_save_and_change_is_taken_up_again(full):
    with pytest.raises(Stopped):
        await perform(full, WRITE, watch=NotingWatch(stopped=True), path="a.txt", content="x")
    assert full.undo.load("d_1")
    assert (await undo(full, WRITE, effect="u_0")).success
    assert (full.workspace / "a.txt").read_text() == "one\nmore\n"
    assert (await perform(full, WRITE, path="a.txt", content="x")).success
    assert (await undo(full, WRITE)).success
    assert (full.workspace / "a.txt").read_text() == "one\nmore\n"


async def test_trying_again_never_overwrites_what_came_between(full):
    with pytest.raises(Stopped):
        await perform(full, WRITE, watch=NotingWatch(stopped=True), path="a.txt", content="x")
    (full.workspace / "a.txt").write_text("somebody else's")
    with pytest.raises(WorldMovedOn, match="somebody else's"):
        await perform(full, WRITE, path="a.txt", content="x")
    assert (full.workspace / "a.txt").read_text() == "somebody else's"


class Crash(BaseException):
    """Ends it in the middle, as a lost process would."""


async def test_a_move_interrupted_half_way_is_finished_or_taken_back(full, monkeypatch):
    from engine.adapters.workspace_paths import Workspace

    before = full.tree()
    for effect, finish in (("d_1", True), ("d_2", False)):
        with monkeypatch.context() as patch:

            def crash(*_, **__):
                raise Crash

            patch.setattr(Workspace, "remove", crash)
            with pytest.raises(Crash):
                await perform(full, MOVE, effect=effect, path="a.txt", to="b.txt")
        assert {"a.txt", "b.txt"} <= full.tree().keys()
        if finish:
            assert (await perform(full, MOVE, effect=effect, path="a.txt", to="b.txt")).success
            assert "a.txt" not in full.tree()
        assert (await undo(full, MOVE, of=effect, effect=f"u_{effect}")).success
        assert full.tree() == before


async def test_an_interrupted_undo_is_finished(full, monkeypatch):
    from engine.adapters.workspace_paths import Workspace

    before = full.tree()
    await perform(full, DELETE, paths=["a.txt", "sub/b.bin", "link"])
    put, calls = Workspace.put, []

    def crash_at_second(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise Crash
        put(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "put", crash_at_second)
        with pytest.raises(Crash):
            await undo(full, DELETE)
    assert (await undo(full, DELETE)).success
    assert full.tree() == before


async def test_a_cancelled_effect_is_at_rest_when_it_returns(full):
    inside, go = threading.Event(), threading.Event()
    watch = NotingWatch()
    watch.before = lambda: (inside.set(), go.wait(PATIENCE_S))
    task = asyncio.ensure_future(perform(full, WRITE, watch=watch, path="a.txt", content="x"))
    await asyncio.to_thread(inside.wait, 10)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done(), "it returned while its thread was at work"
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(full.workspace.glob(".watchkeeper-*"))


async def test_time_that_is_up_stops_it_before_the_change(full, monkeypatch):
    from engine.adapters import file_changes

    slow, ready = threading.Event(), file_changes.save
    monkeypatch.setattr("engine.adapters.runner_file.save", lambda *args: (slow.wait(0.3), ready(*args)))
    act = action("file.write", "file", {"operation": "write"}, timeout_s=0.1)
    result = await perform(full, act, path="a.txt", content="x")
    assert not result.success
    assert "0.1 s" in result.error
    assert (full.workspace / "a.txt").read_text() == "one\nmore\n"


async def test_a_full_disk_changes_nothing(tmp_path):
    with small_disk(tmp_path / "disk", kib=512) as disk:
        bench = Bench(disk)
        bench.undo._folder = tmp_path / "undo"
        (bench.workspace / "a.txt").write_text("one")
        result = await perform(bench, WRITE, path="a.txt", content="x" * (1 << 20))
        assert not result.success
        assert "disk is full" in result.error
        assert "nothing was changed" in result.error
        assert bench.tree() == {"a.txt": (b"one", 0o644)}


async def test_no_room_for_undo_means_no_effect(tmp_path):
    with small_disk(tmp_path / "disk", kib=64) as disk:
        bench = Bench(tmp_path)
        bench.undo._folder = disk
        (bench.workspace / "a.txt").write_text("x" * (1 << 20))
        with pytest.raises(EffectRefused, match="could not be saved"):
            await perform(bench, DELETE, paths=["a.txt"])
        assert (bench.workspace / "a.txt").exists()


async def test_a_read_only_disk_changes_nothing(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        bench = Bench(disk)
        bench.undo._folder = tmp_path / "undo"
        (bench.workspace / "a.txt").write_text("one")
        make_read_only(disk)
        for act, args in ((WRITE, {"path": "a.txt", "content": "x"}), (DELETE, {"paths": ["a.txt"]})):
            result = await perform(bench, act, effect=act.name, **args)
            assert not result.success
            assert "read-only" in result.error
        assert (bench.workspace / "a.txt").read_text() == "one"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into every folder")
async def test_a_folder_one_may_not_write_changes_nothing(full):
    (full.workspace / "sub").chmod(0o555)
    result = await perform(full, CREATE, path="sub/new.txt", content="x")
    (full.workspace / "sub").chmod(0o755)
    assert "permission denied" in result.error
