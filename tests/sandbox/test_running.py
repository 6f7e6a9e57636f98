"""Every backend runs a program the same way, tells the watch, and leaves nothing behind however it ends."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from engine.adapters.sandbox_leftovers import end_leftovers
from engine.errors import EffectRefused, Stopped
from engine.ports import Program
from tests.sandbox.machines import LIMITS, Machine, NotedWatch, command_lines


@pytest.mark.asyncio
async def test_it_says_how_a_program_ended(any_machine: Machine) -> None:
    ended = await any_machine.sh("echo to see; echo to mend >&2; exit 3")
    assert (ended.why, ended.status, ended.cut_bytes) == ("exited", 3, 0)
    assert (ended.output, ended.errors) == ("to see\n", "to mend\n")
    assert 0 < ended.execution_time_s < 20


@pytest.mark.asyncio
async def test_input_arrives_whole_and_ends(any_machine: Machine) -> None:
    ended = await any_machine.sh("wc -c", stdin=b"x" * 500_000)
    assert ended.output.strip() == "500000"


@pytest.mark.asyncio
async def test_without_input_there_is_none_to_wait_for(any_machine: Machine) -> None:
    assert (await any_machine.sh("cat; echo end")).output == "end\n"


@pytest.mark.asyncio
async def test_a_program_that_ignores_its_input_ends_well(any_machine: Machine) -> None:
    assert (await any_machine.sh("exit 0", stdin=b"x" * 500_000)).status == 0


@pytest.mark.asyncio
async def test_it_works_in_the_workspace_and_what_it_makes_stays(any_machine: Machine) -> None:
    (any_machine.workspace / "given").write_text("old")
    ended = await any_machine.sh("cat given; echo new > given; echo made > made; mkdir folder")
    assert ended.output == "old"
    assert (any_machine.workspace / "given").read_text() == "new\n"
    assert (any_machine.workspace / "made").read_text() == "made\n"
    assert (any_machine.workspace / "folder").is_dir()


@pytest.mark.asyncio
async def test_its_environment_is_what_was_given_and_two_marks(any_machine: Machine) -> None:
    ended = await any_machine.sh("env", environment={"COLOUR": "blue"})
    names = {line.partition("=")[0] for line in ended.output.splitlines()}
    assert "COLOUR=blue" in ended.output
    assert "WATCHKEEPER_EFFECT=effect-1" in ended.output
    allowed = (
        "PATH HOME LANG TMPDIR COLOUR WATCHKEEPER_EFFECT WATCHKEEPER_HOME_ID PWD SHLVL OLDPWD HOSTNAME _"
    )
    assert names <= set(allowed.split())


@pytest.mark.asyncio
async def test_what_it_may_read_it_finds_in_its_place_and_cannot_change(machine: Machine) -> None:
    shown = machine.home.parent / "shown"
    shown.mkdir()
    (shown / "data").write_text("knowledge")
    shown.chmod(0o777)
    ended = await machine.sh(
        f"cat {shown}/data; echo x > {shown}/data; touch {shown}/new", read_only=(shown,)
    )
    assert ended.output == "knowledge"
    assert [p.name for p in shown.iterdir()] == ["data"]
    assert (shown / "data").read_text() == "knowledge"


@pytest.mark.asyncio
async def test_a_workspace_can_be_shown_without_being_given(machine: Machine) -> None:
    (machine.workspace / "given").write_text("old")
    ended = await machine.sh("cat given; echo new > given; touch made", read_only_workspace=True)
    assert ended.output == "old"
    assert [p.name for p in machine.workspace.iterdir()] == ["given"]


@pytest.mark.asyncio
async def test_the_watch_hears_of_it_while_the_fence_is_held_open(any_machine: Machine) -> None:
    watch = NotedWatch()
    await any_machine.sh("true", watch=watch)
    first, named, last = watch.notes
    assert (first, last) == ("starting", "started")
    if any_machine.kind == "docker":
        assert named == f"container {watch.name} True"
    else:
        assert named == f"process {watch.pid} True True"


@pytest.mark.asyncio
async def test_behind_a_stop_nothing_runs(any_machine: Machine) -> None:
    with pytest.raises(Stopped):
        await any_machine.sh("touch ran", watch=NotedWatch(stopped=True))
    assert any_machine.left() == []
    assert list(any_machine.workspace.iterdir()) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.02, 0.1, 0.4])
async def test_cancelling_ends_everything_before_it_returns(after_s: float, any_machine: Machine) -> None:
    mine = f"613.{os.getpid()}"  # other tests may run beside this one
    script = f"setsid sleep {mine} & sleep {mine} & wait"
    running = asyncio.ensure_future(any_machine.sh(script))
    await asyncio.sleep(after_s)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert any_machine.left() == []
    assert not any(mine.encode() in line for line in command_lines())


@pytest.mark.asyncio
async def test_cancelling_twice_does_not_hurry_it(any_machine: Machine) -> None:
    running = asyncio.ensure_future(any_machine.sh("sleep 614"))
    await asyncio.sleep(0.3)
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert any_machine.left() == []


@pytest.mark.asyncio
async def test_whoever_kills_it_from_outside_is_noticed(any_machine: Machine) -> None:
    watch = NotedWatch()
    running = asyncio.ensure_future(any_machine.sh("echo begun; sleep 615", watch=watch))
    await watch.begun()
    await asyncio.sleep(0.2)
    if any_machine.kind == "docker":
        await asyncio.to_thread(any_machine.client.api.kill, watch.name)
    else:
        os.killpg(watch.pid, signal.SIGKILL)
    ended = await running
    assert (ended.why, ended.status) == ("killed", -9)
    assert ended.output in {"begun\n", ""}


@pytest.mark.asyncio
async def test_everything_of_a_state_folder_can_be_found_and_ended_without_us(any_machine: Machine) -> None:
    docker_url = getattr(any_machine.sandbox, "_url", "unix:///nowhere/docker.sock")
    watch = NotedWatch()
    running = asyncio.ensure_future(any_machine.sh("setsid sleep 616 & wait", watch=watch))
    await watch.begun()
    await asyncio.sleep(0.2)

    def end(**which: object) -> tuple[str, ...]:
        return end_leftovers(any_machine.home, docker_url=docker_url, **which)

    assert await asyncio.to_thread(end, effect_id="another") == ()
    ended = await asyncio.to_thread(end)
    assert ended != ()
    assert any_machine.left() == []
    await running


@pytest.mark.asyncio
async def test_what_cannot_be_started_is_refused_or_says_so(any_machine: Machine) -> None:
    if any_machine.kind == "docker":
        with pytest.raises(EffectRefused, match="no-such-program"):
            await any_machine.run("no-such-program")
    else:
        ended = await any_machine.run("no-such-program")
        assert ended.status != 0
        assert "no-such-program" in ended.errors


@pytest.mark.asyncio
async def test_several_run_at_once(any_machine: Machine) -> None:
    programs = [
        Program(
            effect_id=f"effect-{number}",
            argv=("/bin/sh", "-c", f"echo {number}; sleep 0.2"),
            workspace=any_machine.workspace,
            limits=LIMITS,
        )
        for number in range(6)
    ]
    ended = await asyncio.gather(*(any_machine.sandbox.run(p, NotedWatch()) for p in programs))
    assert [e.output for e in ended] == [f"{number}\n" for number in range(6)]
    assert any_machine.left() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("place", ["/", "/etc", "/usr/share", "/root", "nowhere", "above"])
async def test_a_folder_that_is_nobodys_to_give_is_refused(place: str, any_machine: Machine) -> None:
    folder = {"nowhere": any_machine.home / "nowhere", "above": any_machine.home.parent}.get(
        place, Path(place)
    )
    program = Program(effect_id="effect-1", argv=("true",), workspace=folder, limits=LIMITS)
    with pytest.raises(EffectRefused) as refusal:
        await any_machine.sandbox.run(program, NotedWatch())
    assert refusal.value.cure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands over")
@pytest.mark.asyncio
async def test_what_root_wrote_is_handed_over_and_nothing_outside(machine: Machine) -> None:
    (machine.workspace / "folder").mkdir()
    (machine.workspace / "folder" / "given").write_text("old")
    outside = machine.home.parent / "outside"
    outside.write_text("not theirs")
    (machine.workspace / "link").symlink_to(outside)
    (machine.workspace / "other-name").hardlink_to(outside)
    ended = await machine.sh("echo new > folder/given; id -u")
    assert (machine.workspace / "folder" / "given").read_text() == "new\n"
    assert (machine.workspace / "folder" / "given").stat().st_uid == 65534
    assert outside.stat().st_uid == 0
    assert ended.output.strip() != "0"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own for others")
@pytest.mark.asyncio
async def test_it_runs_as_the_owner_of_the_workspace(machine: Machine) -> None:
    os.chown(machine.workspace, 4321, 4321)
    await machine.sh("touch made")
    assert (machine.workspace / "made").stat().st_uid == 4321
