"""The file runner, on real files: what it changes, what it refuses, and how all of it is taken back."""

import os
import socket
import stat

import pytest

from engine.adapters.runner_file import FileRunner
from engine.errors import EffectRefused, PolicyError, WorldMovedOn
from tests.runners.effects import NotingWatch, action
from tests.runners.files import CREATE, DELETE, EDIT, MOVE, RUNNER, TEXT, WAYS, WRITE, of, perform, undo

pytestmark = pytest.mark.asyncio


# ---------------------------------------------------------------- each operation, there and back


@pytest.mark.parametrize(("act", "args"), WAYS)
async def test_undo_brings_everything_back_and_can_be_undone(full, act, args):
    before = full.tree()
    assert (await perform(full, act, **args)).success
    after = full.tree()
    assert after != before
    assert (await undo(full, act)).success
    assert full.tree() == before
    assert (await undo(full, act, of="u_1", effect="u_2")).success
    assert full.tree() == after
    assert (await undo(full, act, of="u_2", effect="u_3")).success
    assert full.tree() == before


@pytest.mark.parametrize(("act", "args"), WAYS)
async def test_a_preview_says_it_and_changes_nothing(full, act, args):
    before = full.tree()
    watch = NotingWatch()
    told = await RUNNER.preview(full.job(act, args, watch=watch))
    assert told.success
    assert full.tree() == before
    assert watch.begun == 0
    assert full.undo.list() == ()
    assert told.output == (await perform(full, act, **args)).output


async def test_the_difference_is_unified(full):
    told = await RUNNER.preview(full.job(EDIT, {"path": "a.txt", "old": "one", "new": "1"}))
    assert told.output == "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n-one\n+1\n more\n"


async def test_a_preview_says_why_it_would_be_refused(full):
    told = await RUNNER.preview(full.job(EDIT, {"path": "a.txt", "old": "none", "new": "1"}))
    assert not told.success
    assert "does not contain the text" in told.error


@pytest.mark.parametrize(("act", "args"), WAYS)
async def test_doing_it_twice_is_doing_it_once(full, act, args):
    before = full.tree()
    await perform(full, act, **args)
    after = full.tree()
    assert (await perform(full, act, **args)).success
    assert full.tree() == after
    await undo(full, act)
    assert full.tree() == before


async def test_mode_and_owner_are_kept(full):
    path = full.workspace / "a.txt"
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    status = path.stat()
    await perform(full, EDIT, path="a.txt", old="one", new="1")
    now = path.stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (status.st_mode, status.st_uid, status.st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work on what belongs to somebody else")
async def test_what_root_makes_belongs_to_the_owner_of_the_folder(full):
    os.chown(full.workspace, 1234, 1235)
    await perform(full, CREATE, path="x/y/new.txt", content="")
    made = [path.stat() for path in (full.workspace / "x").parent.glob("x/**/*")]
    assert {(status.st_uid, status.st_gid) for status in made} == {(1234, 1235)}
    assert len(made) == 2


async def test_new_content_does_not_run_as_the_owner(full):
    path = full.workspace / "a.txt"
    path.chmod(0o4755)
    await perform(full, WRITE, path="a.txt", content="#!/bin/sh\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    await undo(full, WRITE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o4755


async def test_folders_made_on_the_way_go_only_when_empty(full):
    await perform(full, CREATE, path="x/y/new.txt", content="")
    (full.workspace / "x/mine.txt").write_text("")
    await undo(full, CREATE)
    assert not (full.workspace / "x/y").exists()
    assert (full.workspace / "x/mine.txt").exists()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("act", "args", "said"),
    [
        (CREATE, {"path": "a.txt", "content": ""}, "is there already"),
        (EDIT, {"path": "no.txt", "old": "a", "new": "b"}, "is not there"),
        (EDIT, {"path": "a.txt", "old": "zzz", "new": "b"}, "does not contain"),
        (EDIT, {"path": "a.txt", "old": "o", "new": "b"}, "more than once, in lines 1 and 2"),
        (EDIT, {"path": "a.txt", "old": "", "new": "b"}, "empty"),
        (EDIT, {"path": "link", "old": "one", "new": "b"}, "is a link"),
        (WRITE, {"path": "sub", "content": ""}, "is a folder"),
        (WRITE, {"path": "a.txt/x", "content": ""}, "not a folder"),
        (WRITE, {"path": "x", "content": "\udcff"}, "UTF-8"),
        (WRITE, {"path": "\udcff", "content": ""}, "UTF-8"),
        (WRITE, {"path": 7, "content": ""}, "must be text"),
        (DELETE, {"paths": ["a.txt", "no.txt"]}, "is not there"),
        (DELETE, {"paths": []}, "at least one"),
        (DELETE, {"paths": ["sub"]}, "is a folder"),
        (MOVE, {"path": "a.txt", "to": "sub/b.bin"}, "is there already"),
        (MOVE, {"path": "no.txt", "to": "x"}, "is not there"),
    ],
)
async def test_what_cannot_be_done_is_refused_before_anything_is_touched(full, act, args, said):
    before = full.tree()
    watch = NotingWatch()
    with pytest.raises(EffectRefused, match=said):
        await perform(full, act, watch=watch, **args)
    assert full.tree() == before
    assert watch.begun == 0
    assert full.undo.list() == ()


@pytest.mark.parametrize(
    "path",
    [
        "../out.txt", "sub/../../out.txt", "/etc/passwd", "", ".", "a\0b", "/", "~/../..//etc/x/../..",
        ".git/config", "sub/.git/hooks/post-commit", ".GIT/config", ".git", "outside/x", "outside",
        "sub/up/x",
    ],
)  # fmt: skip
async def test_nothing_outside_and_no_inside_of_a_repository(full, tmp_path, path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "x").write_text("untouched")
    (full.workspace / "outside").symlink_to(out)
    (full.workspace / "sub/up").symlink_to("../../out")
    (full.workspace / ".git").mkdir()
    for act, args in ((WRITE, {"content": "!"}), (CREATE, {"content": "!"})):
        with pytest.raises(EffectRefused):
            await perform(full, act, path=path, **args)
    with pytest.raises(EffectRefused):
        await perform(full, MOVE, path="a.txt", to=path)
    if path != "outside":  # the link itself is in the workspace, and may go
        with pytest.raises(EffectRefused):
            await perform(full, DELETE, paths=[path])
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [("x", "untouched")]
    assert not (tmp_path / "out.txt").exists()


async def test_an_absolute_path_inside_is_inside(full):
    assert (await perform(full, WRITE, path=str(full.workspace / "a.txt"), content="x")).success
    assert (full.workspace / "a.txt").read_text() == "x"


async def test_devices_and_pipes_are_refused_at_once(full):
    os.mkfifo(full.workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(full.workspace / "sock"))
        for name in ("pipe", "sock"):
            with pytest.raises(EffectRefused, match="device, pipe or socket"):
                await perform(full, WRITE, path=name, content="x")
            with pytest.raises(EffectRefused, match="device, pipe or socket"):
                await perform(full, DELETE, paths=[name])


async def test_our_own_state_is_closed(full):
    state = full.workspace / ".watchkeeper"
    state.mkdir()
    (state / "token").write_text("t")
    runner = FileRunner(closed=[state])
    for path in (".watchkeeper/token", ".watchkeeper/stops/x", "sub/../.watchkeeper/token"):
        with pytest.raises(EffectRefused):
            await runner.perform(full.job(WRITE, {"path": path, "content": "x"}))
    with pytest.raises(EffectRefused, match="own state"):
        await FileRunner(closed=[full.workspace]).perform(full.job(WRITE, {"path": "x", "content": "x"}))
    assert (state / "token").read_text() == "t"


async def test_a_file_that_is_too_large_is_refused(full):
    small = of("delete", most_bytes=100)
    with pytest.raises(EffectRefused, match="more than 100 bytes"):
        await perform(full, small, paths=["sub/b.bin"])
    with pytest.raises(EffectRefused, match="more than 100 bytes"):
        await perform(full, of("write", most_bytes=100), path="x", content="x" * 101)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "operation"),
        ({"operation": "chmod"}, "chmod"),
        ({"operation": "write", "colour": 1}, "colour"),
        ({"operation": "write", "most_bytes": 0}, "most_bytes"),
        ({"operation": "move"}, "'to'"),
    ],
)
async def test_settings_that_cannot_work_are_found_at_load(settings, said):
    act = action("f", "file", settings, parameters={"path": TEXT, "content": TEXT})
    with pytest.raises(PolicyError, match=said):
        RUNNER.check(act)


async def test_settings_that_can_work_are_accepted():
    for act in (CREATE, WRITE, EDIT, DELETE, MOVE):
        RUNNER.check(act)


# ---------------------------------------------------------------- the world moved on


async def test_undo_refuses_with_the_difference(full):
    await perform(full, WRITE, path="a.txt", content="mine\nmore\n")
    (full.workspace / "a.txt").write_text("theirs\nmore\n")
    with pytest.raises(WorldMovedOn) as caught:
        await undo(full, WRITE)
    assert "-mine\n+theirs\n more\n" in caught.value.message
    assert (full.workspace / "a.txt").read_text() == "theirs\nmore\n"
    assert full.undo.load("u_1") is None


async def test_a_refused_undo_tells_no_secret(full):
    await perform(full, WRITE, path="a.txt", content="mine\n")
    (full.workspace / "a.txt").write_text("DB_PASSWORD=hunter2\n")
    with pytest.raises(WorldMovedOn) as caught:
        await undo(full, WRITE)
    assert "+DB_PASSWORD=[redacted: secret]" in caught.value.message
    assert "hunter2" not in str(caught.value)


async def test_a_changed_mode_is_a_changed_world(full):
    await perform(full, WRITE, path="a.txt", content="mine")
    (full.workspace / "a.txt").chmod(0o600)
    with pytest.raises(WorldMovedOn, match="mode 0644 → 0600"):
        await undo(full, WRITE)


async def test_a_forced_undo_can_be_taken_back(full):
    await perform(full, WRITE, path="a.txt", content="mine\n")
    (full.workspace / "a.txt").write_bytes(b"\0theirs")
    assert (await undo(full, WRITE, force=True)).success
    assert (full.workspace / "a.txt").read_text() == "one\nmore\n"
    assert (await undo(full, WRITE, of="u_1", effect="u_2")).success
    assert (full.workspace / "a.txt").read_bytes() == b"\0theirs"


async def test_undo_of_a_delete_does_not_overwrite_a_new_file(full):
    await perform(full, DELETE, paths=["a.txt"])
    (full.workspace / "a.txt").write_text("new")
    with pytest.raises(WorldMovedOn, match=r"\+new"):
        await undo(full, DELETE)


async def test_the_difference_has_a_limit(full):
    await perform(full, WRITE, path="a.txt", content="x\n" * 4000)
    (full.workspace / "a.txt").write_text("y\n" * 4000)
    with pytest.raises(WorldMovedOn) as caught:
        await undo(full, WRITE)
    assert caught.value.message.count("\n") < 250
    assert "left out" in caught.value.message


async def test_undo_without_a_record_is_refused(full):
    with pytest.raises(EffectRefused, match="no undo record"):
        await undo(full, WRITE)


async def test_undo_from_a_damaged_record_is_refused(full):
    await perform(full, WRITE, path="a.txt", content="mine")
    full.undo.blob("d_1", "before-0").write_bytes(b"forged")
    with pytest.raises(EffectRefused, match="damaged"):
        await undo(full, WRITE)
    assert (full.workspace / "a.txt").read_text() == "mine"


async def test_undo_does_not_follow_a_link_put_there_since(full, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    await perform(full, CREATE, path="new/file.txt", content="x")
    (full.workspace / "new").rename(full.workspace / "was")
    (full.workspace / "new").symlink_to(out)
    with pytest.raises(EffectRefused):
        await undo(full, CREATE, force=True)
    assert list(out.iterdir()) == []


async def test_a_result_gives_no_secret_away(full):
    result = await perform(full, CREATE, path="x.env", content="API_KEY=abcdef0123456789\n")
    assert "abcdef0123456789" not in result.output
    assert (full.workspace / "x.env").read_text() == "API_KEY=abcdef0123456789\n"
