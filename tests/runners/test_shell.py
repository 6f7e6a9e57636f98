"""Commands run as they were decided, say what came of them, and can be taken back if their action says so."""

import asyncio
import subprocess
import tempfile
from pathlib import Path

import pytest

from engine.adapters.redaction import Redactor
from engine.adapters.runner_shell import ShellRunner
from engine.adapters.workspace_undo import save_before
from engine.errors import EffectRefused, PolicyError, Stopped, WorldMovedOn
from tests.runners.programs import FolderLog, Workshop


def state(folder: Path) -> dict[str, object]:
    """Describe everything in a folder: contents, links and modes."""
    return {
        str(path.relative_to(folder)): (
            path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else "folder",
            None if path.is_symlink() else oct(path.stat().st_mode),
        )
        for path in sorted(folder.rglob("*"))
    }


# ---------------------------------------------------------------- performing


@pytest.mark.asyncio
async def test_a_text_goes_to_a_shell_and_a_list_does_not(everywhere: Workshop) -> None:
    runner, action = everywhere.make(ShellRunner), everywhere.action("shell", "command")
    runner.check(action)
    by_shell = await runner.perform(everywhere.job(action, command="echo $((6 * 7)); echo aside >&2"))
    assert (by_shell.success, by_shell.output, by_shell.error) == (True, "42\n[errors]\naside", "")
    in_words = await runner.perform(everywhere.job(action, command=["echo", "$((6 * 7))", "; rm x"]))
    assert in_words.output == "$((6 * 7)) ; rm x"
    assert in_words.execution_time_s > 0


@pytest.mark.asyncio
async def test_what_fails_says_how(everywhere: Workshop) -> None:
    runner, action = everywhere.make(ShellRunner), everywhere.action("shell", "command", timeout_us=1_500_000)
    failed = await runner.perform(everywhere.job(action, command="echo half; echo broken >&2; exit 3"))
    assert (failed.success, failed.output) == (False, "half\n")
    assert failed.error == "it ended with status 3\nbroken"
    late = await runner.perform(everywhere.job(action, command="sleep 60"))
    assert late.error == "it was ended after 1.5 s, its limit"
    later = await runner.perform(everywhere.job(action, command="sleep 60", timeout_s=0.2))
    assert later.error == "it was ended after 0.2 s, its limit"


@pytest.mark.asyncio
async def test_limits_of_the_action_take_the_place_of_the_services(shop: Workshop) -> None:
    runner, action = shop.make(ShellRunner), shop.action("shell", "command", disk_mib=1, output_kib=1)
    await runner.perform(shop.job(action, command="head -c 5000000 /dev/zero > big"))
    assert (shop.workspace / "big").stat().st_size == 1 << 20
    chatty = await runner.perform(shop.job(action, command="seq 100000"))
    assert len(chatty.output) < 1200


@pytest.mark.asyncio
async def test_arguments_stay_the_one_word_they_are_in(shop: Workshop) -> None:
    runner = shop.make(ShellRunner)
    action = shop.action("shell", "name", "count", argv=["printf", "<%s>", "--", "{name}", "{count}!"])
    runner.check(action)
    result = await runner.perform(shop.job(action, name="a b; rm -rf / {count}", count=3))
    assert result.output == "<--><a b; rm -rf / {count}><3!>"


@pytest.mark.asyncio
@pytest.mark.parametrize("command", [None, "", "  ", 7, [], ["echo", 1], "a\0b", ["a\0b"]])
async def test_what_is_no_command_is_refused(command: object, shop: Workshop) -> None:
    with pytest.raises(EffectRefused):
        await shop.make(ShellRunner).perform(shop.job(shop.action("shell", "command"), command=command))


@pytest.mark.asyncio
async def test_secrets_are_taken_out_of_what_is_printed(shop: Workshop) -> None:
    runner, action = (
        shop.make(ShellRunner, redact=Redactor(["hunter2-hunter2"])),
        shop.action("shell", "command"),
    )
    result = await runner.perform(
        shop.job(action, command=f"echo hunter2-hunter2; echo ghp_{'a' * 36} >&2; exit 1")
    )
    assert result.output == "[redacted: known secret]\n"
    assert result.error.endswith("[redacted: github token]")


@pytest.mark.asyncio
async def test_behind_a_stop_it_does_not_begin(shop: Workshop) -> None:
    job = shop.job(shop.action("shell", "command"), command="touch ran")
    job.watch.stopped = True
    with pytest.raises(Stopped):
        await shop.make(ShellRunner).perform(job)
    assert state(shop.workspace) == {}


@pytest.mark.asyncio
async def test_without_a_sandbox_it_is_refused_with_a_cure(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EffectRefused, match="install bubblewrap"):
        await shop.make(ShellRunner).perform(shop.job(shop.action("shell", "command"), command="true"))


@pytest.mark.parametrize(
    ("parameters", "settings", "place"),
    [
        ((), {}, "settings.argv"),
        ((), {"argv": ["echo", "{missing}"]}, "settings.argv"),
        (("command",), {"undo": "sometimes"}, "settings"),
        (("command",), {"unknown": 1}, "settings"),
        (("command",), {"memory_mib": 0}, "settings.memory_mib"),
        (("command",), {"undo_mib": -1}, "settings.undo_mib"),
        (("command",), {"read_only": ["relative"]}, "settings.read_only"),
    ],
)
def test_wrong_settings_are_found_when_the_registry_is_loaded(
    parameters: tuple[str, ...], settings: dict, place: str, shop: Workshop
) -> None:
    with pytest.raises(PolicyError) as wrong:
        shop.make(ShellRunner).check(shop.action("shell", *parameters, **settings))
    assert place in wrong.value.place
    assert wrong.value.cure


# ---------------------------------------------------------------- dry run


@pytest.mark.asyncio
async def test_a_preview_says_what_would_run_and_runs_nothing(everywhere: Workshop) -> None:
    runner = everywhere.make(ShellRunner)
    action = everywhere.action("shell", "command", undo="workspace", undo_mib=5)
    result = await runner.preview(everywhere.job(action, command="touch ran; echo $(touch ran-too)"))
    assert result.success
    assert "would run: touch ran; echo $(touch ran-too)" in result.output
    assert f"in: {everywhere.kind}" in result.output
    assert "20 s, 128 MiB of memory, 32 processes" in result.output
    assert "network: none" in result.output
    assert "undo: the workspace, up to 5 MiB" in result.output
    assert state(everywhere.workspace) == {}


@pytest.mark.asyncio
async def test_a_preview_finds_a_syntax_error(shop: Workshop) -> None:
    result = await shop.make(ShellRunner).preview(
        shop.job(shop.action("shell", "command"), command="if true; echo")
    )
    assert not result.success
    assert "yntax error" in result.error


# ---------------------------------------------------------------- undo


def furnish(workspace: Path) -> None:
    """Put one of everything into a workspace."""
    (workspace / "kept").write_text("as it is")
    (workspace / "changed").write_text("before")
    (workspace / "program").write_text("#!/bin/sh\n")
    (workspace / "program").chmod(0o750)
    (workspace / "deep" / "er").mkdir(parents=True)
    (workspace / "deep" / "er" / "file").write_bytes(bytes(range(256)))
    (workspace / "link").symlink_to("kept")
    (workspace / "empty").mkdir()


WRECK = (
    "echo after > changed; chmod 600 program; rm -r deep; ln -sf changed link; rmdir empty; "
    "mkdir new; echo x > new/file; mv kept moved; echo y > empty"
)


@pytest.mark.asyncio
async def test_undo_puts_back_everything_a_command_changed(everywhere: Workshop) -> None:
    furnish(everywhere.workspace)
    before = state(everywhere.workspace)
    runner = everywhere.make(ShellRunner)
    action = everywhere.action("shell", "command", undo="workspace")
    done = await runner.perform(everywhere.job(action, command=WRECK))
    assert done.success
    assert "changed changed" in done.output
    wrecked = state(everywhere.workspace)
    assert wrecked != before
    back = await runner.undo(everywhere.job(action, "effect-2"), "effect-1", force=False)
    assert back.success
    assert "deep/er/file created" in back.output
    assert state(everywhere.workspace) == before
    # The taking back is an effect like any other, so it can be taken back too.
    await runner.undo(everywhere.job(action, "effect-3"), "effect-2", force=False)
    assert state(everywhere.workspace) == wrecked


@pytest.mark.asyncio
async def test_undo_refuses_when_the_world_has_moved_on_and_shows_where(shop: Workshop) -> None:
    furnish(shop.workspace)
    runner, action = shop.make(ShellRunner), shop.action("shell", "command", undo="workspace")
    await runner.perform(shop.job(action, command="echo after > changed; rm kept"))
    (shop.workspace / "changed").write_text("and once more")
    with pytest.raises(WorldMovedOn, match="changed changed"):
        await runner.undo(shop.job(action, "effect-2"), "effect-1", force=False)
    assert not (shop.workspace / "kept").exists()
    await runner.undo(shop.job(action, "effect-2"), "effect-1", force=True)
    assert (shop.workspace / "changed").read_text() == "before"
    assert (shop.workspace / "kept").read_text() == "as it is"


@pytest.mark.asyncio
async def test_what_came_after_and_elsewhere_stays(shop: Workshop) -> None:
    furnish(shop.workspace)
    runner, action = shop.make(ShellRunner), shop.action("shell", "command", undo="workspace")
    await runner.perform(shop.job(action, command="mkdir new; echo x > new/file"))
    (shop.workspace / "new" / "by a person").write_text("theirs")
    (shop.workspace / "kept").write_text("theirs too")
    await runner.undo(shop.job(action, "effect-2"), "effect-1", force=False)
    assert [path.name for path in (shop.workspace / "new").iterdir()] == ["by a person"]
    assert (shop.workspace / "kept").read_text() == "theirs too"


@pytest.mark.asyncio
async def test_a_command_that_hides_a_change_behind_an_old_date_is_seen_through(shop: Workshop) -> None:
    (shop.workspace / "file").write_text("before")
    runner, action = shop.make(ShellRunner), shop.action("shell", "command", undo="workspace")
    await runner.perform(
        shop.job(action, command="touch -r file $TMPDIR/d; echo behin > file; touch -r $TMPDIR/d file")
    )
    assert (shop.workspace / "file").read_text() == "behin\n"
    await runner.undo(shop.job(action, "effect-2"), "effect-1", force=False)
    assert (shop.workspace / "file").read_text() == "before"


@pytest.mark.asyncio
async def test_undo_follows_no_link_out_of_the_workspace(shop: Workshop, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("not theirs")
    (shop.workspace / "folder").mkdir()
    (shop.workspace / "folder" / "file").write_text("before")
    runner, action = shop.make(ShellRunner), shop.action("shell", "command", undo="workspace")
    await runner.perform(shop.job(action, command=f"rm -r folder; ln -s {outside} folder"))
    await runner.undo(shop.job(action, "effect-2"), "effect-1", force=False)
    assert (outside / "file").read_text() == "not theirs"
    assert not (shop.workspace / "folder").is_symlink()
    assert (shop.workspace / "folder" / "file").read_text() == "before"


@pytest.mark.asyncio
async def test_an_interrupted_command_is_taken_back_only_by_force_and_then_whole(shop: Workshop) -> None:
    furnish(shop.workspace)
    before = state(shop.workspace)
    runner, action = shop.make(ShellRunner), shop.action("shell", "command", undo="workspace")
    job = shop.job(action, command=f"{WRECK}; sleep 60")
    running = asyncio.ensure_future(runner.perform(job))
    saved = shop.log.load("effect-1")
    while saved is None or not (shop.workspace / "moved").exists():
        assert not running.done(), running
        await asyncio.sleep(0.01)
        saved = saved or shop.log.load("effect-1")
    # As after `kill -9` of the worker: the record is the one from before the command.
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    shop.log.save("effect-9", saved, {"contents": b""})
    with pytest.raises(WorldMovedOn, match="interrupted"):
        await runner.undo(shop.job(action, "effect-2"), "effect-9", force=False)
    await runner.undo(shop.job(action, "effect-2"), "effect-1", force=True)
    assert state(shop.workspace) == before


@pytest.mark.asyncio
@pytest.mark.parametrize("ends", ["kill -9 $$", "exit 1"])
async def test_tried_again_it_is_taken_back_to_before_the_first_try(shop: Workshop, ends: str) -> None:
    furnish(shop.workspace)
    before = state(shop.workspace)
    runner, action = shop.make(ShellRunner), shop.action("shell", "command", undo="workspace")
    first = shop.job(action, command=f"{WRECK}; {ends}")
    if ends.startswith("kill"):
        # As after `kill -9` of the worker: only what was kept before the command is there.
        save_before(shop.log, first.effect_id, shop.workspace, most_bytes=1 << 20)
        subprocess.run(["/bin/sh", "-c", WRECK], cwd=shop.workspace, check=True)
    else:
        assert not (await runner.perform(first)).success
    assert (await runner.perform(shop.job(action, command="echo twice > changed; touch last"))).success
    await runner.undo(shop.job(action, "effect-2"), "effect-1", force=False)
    assert state(shop.workspace) == before


@pytest.mark.asyncio
async def test_folders_nested_without_end_are_refused_and_not_stumbled_over(shop: Workshop) -> None:
    runner = shop.make(ShellRunner)
    plain = shop.action("shell", "command")
    dig = "i=0; while [ $i -lt 1500 ]; do mkdir a; cd -P a; i=$((i+1)); done"
    assert (await runner.perform(shop.job(plain, command=dig))).success
    try:
        assert (await runner.perform(shop.job(plain, "effect-2", command="true"))).success
        action = shop.action("shell", "command", undo="workspace")
        with pytest.raises(EffectRefused, match="nested more than 250 deep"):
            await runner.perform(shop.job(action, "effect-3", command="true"))
    finally:
        subprocess.run(["rm", "-rf", "a"], cwd=shop.workspace, check=True)


def test_a_file_that_is_too_large_to_keep_is_not_copied_first(tmp_path: Path, monkeypatch) -> None:
    workspace, room = tmp_path / "workspace", tmp_path / "temporary"
    workspace.mkdir()
    room.mkdir()
    with (workspace / "large").open("wb") as file:
        file.truncate(1 << 30)
    written = []
    real = tempfile.NamedTemporaryFile

    def watched(*given, **named):
        made = real(*given, dir=room, **named)
        write = made.write
        made.write = lambda data: (written.append(len(data)), write(data))[1]
        return made

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", watched)
    with pytest.raises(EffectRefused, match="more than the 1 MiB"):
        save_before(FolderLog(tmp_path / "undo"), "effect-1", workspace, most_bytes=1 << 20)
    assert sum(written) <= 4 << 20


@pytest.mark.asyncio
async def test_a_workspace_that_is_too_large_to_keep_is_refused_before_anything_runs(shop: Workshop) -> None:
    (shop.workspace / "large").write_bytes(bytes(2 << 20))
    action = shop.action("shell", "command", undo="workspace", undo_mib=1)
    with pytest.raises(EffectRefused, match="more than the 1 MiB"):
        await shop.make(ShellRunner).perform(shop.job(action, command="touch ran"))
    assert not (shop.workspace / "ran").exists()


@pytest.mark.asyncio
async def test_without_undo_in_its_settings_nothing_is_taken_back(shop: Workshop) -> None:
    runner, action = shop.make(ShellRunner), shop.action("shell", "command")
    await runner.perform(shop.job(action, command="touch made"))
    with pytest.raises(EffectRefused, match="cannot be taken back"):
        await runner.undo(shop.job(action, "effect-2"), "effect-1", force=True)
    assert shop.log.saves == []


@pytest.mark.asyncio
async def test_what_was_let_go_to_make_room_cannot_be_taken_back(shop: Workshop) -> None:
    action = shop.action("shell", "command", undo="workspace")
    with pytest.raises(EffectRefused, match="nothing is kept"):
        await shop.make(ShellRunner).undo(shop.job(action, "effect-2"), "effect-1", force=True)


@pytest.mark.asyncio
async def test_behind_a_stop_nothing_is_taken_back(shop: Workshop) -> None:
    runner, action = shop.make(ShellRunner), shop.action("shell", "command", undo="workspace")
    await runner.perform(shop.job(action, command="touch made"))
    job = shop.job(action, "effect-2")
    job.watch.stopped = True
    with pytest.raises(Stopped):
        await runner.undo(job, "effect-1", force=False)
    assert (shop.workspace / "made").exists()
