"""The container runner, against a real Docker engine of the tests' own."""

import asyncio
import itertools

import pytest

from engine.adapters.runner_docker import DockerRunner
from engine.core.vocabulary.actions import Parameter
from engine.errors import EffectRefused, PolicyError, Stopped, WorldMovedOn
from tests.runners.effects import NotingWatch, action

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.xdist_group("docker")]
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def engine(docker_engine):
    return docker_engine


@pytest.fixture
def container(engine):
    """A running container that ends at once when asked to."""
    made = engine.client.containers.run(
        engine.image,
        ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"],
        name=f"web-{next(NUMBERS)}",
        network_mode="none",
        detach=True,
    )
    yield made
    made.remove(force=True)


def of(operation, *, timeout_s=30, grace_s=5, containers=("web-*",)):
    settings = {"operation": operation, "containers": list(containers), "grace_s": grace_s}
    parameters = {"container": Parameter(type="string")}
    return action(f"container.{operation}", "docker", settings, parameters=parameters, timeout_s=timeout_s)


START, STOP, RESTART = map(of, ("start", "stop", "restart"))


def running(container):
    container.reload()
    return container.attrs["State"]["Running"]


def started(container):
    container.reload()
    return container.attrs["State"]["StartedAt"]


async def begun(watch):
    """Wait until the fence was held open, and is no more."""
    while not watch.begun or watch.inside:
        await asyncio.sleep(0.005)


@pytest.fixture
def runner(engine):
    return DockerRunner(url=engine.url)


async def perform(runner, bench, act, name, effect="d_1", watch=None):
    return await runner.perform(bench.job(act, {"container": name}, effect=effect, watch=watch))


async def undo(runner, bench, act, of="d_1", effect="u_1", *, force=False):
    return await runner.undo(bench.job(act, effect=effect), of, force=force)


async def test_a_stop_and_back_and_there_again(runner, bench, container):
    result = await perform(runner, bench, STOP, container.name)
    assert result.success, result
    assert not running(container)
    assert (await undo(runner, bench, STOP)).success
    assert running(container)
    assert (await undo(runner, bench, STOP, of="u_1", effect="u_2")).success
    assert not running(container)


async def test_a_start_and_back(runner, bench, container):
    container.stop(timeout=1)
    assert (await perform(runner, bench, START, container.name)).success
    assert running(container)
    assert (await undo(runner, bench, START)).success
    assert not running(container)


async def test_a_restart_is_a_new_start_once(runner, bench, container):
    before = started(container)
    result = await perform(runner, bench, RESTART, container.name)
    assert result.success
    assert "restart policy no" in result.output
    after = started(container)
    assert after != before
    assert (await perform(runner, bench, RESTART, container.name)).success
    assert started(container) == after, "tried again, it was restarted again"
    assert (await undo(runner, bench, RESTART)).success
    assert started(container) == after, "it ran before and runs now: there is nothing to undo"


async def test_undo_of_a_restart_of_what_stood_still_stops_it(runner, bench, container):
    container.stop(timeout=1)
    await perform(runner, bench, RESTART, container.name)
    assert running(container)
    assert (await undo(runner, bench, RESTART)).success
    assert not running(container)


@pytest.mark.parametrize(
    ("act", "said"),
    [(STOP, "would be stopped within 5 s"), (RESTART, "started again"), (START, "nothing would happen")],
)
async def test_a_preview_says_it_and_does_nothing(runner, bench, container, act, said):
    before = started(container)
    told = await runner.preview(bench.job(act, {"container": container.name}))
    assert told.success
    assert f"{container.name} is running since" in told.output
    assert said in told.output
    assert running(container)
    assert started(container) == before
    assert bench.undo.list() == ()


async def test_only_names_on_the_list_and_no_ids(runner, bench, container):
    for name in (container.id, container.short_id, container.id[:1], "db-1", "", "web-0/../db", "../info"):
        with pytest.raises(EffectRefused):
            await perform(runner, bench, of("stop", containers=["*"]) if name != "db-1" else STOP, name)
    assert running(container)


async def test_a_container_that_is_not_there(runner, bench):
    with pytest.raises(EffectRefused, match="no such container"):
        await perform(runner, bench, STOP, "web-none")
    told = await runner.preview(bench.job(STOP, {"container": "web-none"}))
    assert "no such container" in told.error


async def test_an_engine_that_does_not_answer(bench, tmp_path):
    runner = DockerRunner(url=f"unix://{tmp_path}/none.sock")
    with pytest.raises(EffectRefused, match="no Docker engine answers"):
        await perform(runner, bench, STOP, "web-1")


async def test_a_start_that_fails_says_why(runner, bench, engine):
    broken = engine.client.containers.create(
        engine.image, ["/bin/none"], name=f"web-{next(NUMBERS)}", network_mode="none"
    )
    try:
        result = await perform(runner, bench, START, broken.name)
        assert not result.success
        assert "/bin/none" in result.error
    finally:
        broken.remove(force=True)


async def test_a_program_that_will_not_end_is_ended(runner, bench, engine):
    stubborn = engine.client.containers.run(
        engine.image,
        ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
        name=f"web-{next(NUMBERS)}",
        network_mode="none",
        detach=True,
    )
    try:
        watch = NotingWatch()
        task = asyncio.ensure_future(
            perform(runner, bench, of("stop", grace_s=1), stubborn.name, watch=watch)
        )
        await begun(watch)
        assert not task.done(), "the fence was held open until the program had ended"
        assert (await task).success
        assert not running(stubborn)
    finally:
        stubborn.remove(force=True)


async def test_a_cancelled_stop_is_at_rest_when_it_returns(runner, bench, container):
    watch = NotingWatch()
    task = asyncio.ensure_future(perform(runner, bench, STOP, container.name, watch=watch))
    await begun(watch)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not running(container)
    assert (await undo(runner, bench, STOP)).success
    assert running(container)


async def test_nothing_happens_behind_a_stop(runner, bench, container):
    for act in (STOP, RESTART):
        with pytest.raises(Stopped):
            await perform(
                runner, bench, act, container.name, effect=act.name, watch=NotingWatch(stopped=True)
            )
    assert running(container)


async def test_what_is_so_already_needs_no_doing(runner, bench, container):
    watch = NotingWatch()
    assert (await perform(runner, bench, START, container.name, watch=watch)).success
    assert watch.begun == 0


async def test_undo_refuses_what_somebody_changed(runner, bench, container):
    await perform(runner, bench, STOP, container.name)
    container.start()
    with pytest.raises(WorldMovedOn, match=r"-exited(.|\n)*\+running"):
        await undo(runner, bench, STOP)
    assert (await undo(runner, bench, STOP, force=True)).success
    assert running(container)


async def test_undo_refuses_another_container_of_the_name(runner, bench, engine, container):
    await perform(runner, bench, STOP, container.name)
    name = container.name
    container.rename(f"old-{name}")
    other = engine.client.containers.create(engine.image, ["/bin/sleep", "60"], name=name)
    try:
        with pytest.raises(WorldMovedOn):
            await undo(runner, bench, STOP)
    finally:
        other.remove(force=True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"operation": "kill", "containers": ["x"]}, "kill"),
        ({"operation": "stop"}, "containers"),
        ({"operation": "stop", "containers": []}, "at least one"),
        ({"operation": "stop", "containers": ["x"], "grace_s": -1}, "grace_s"),
    ],
)
async def test_settings_that_cannot_work_are_found_at_load(settings, said):
    parameters = {"container": Parameter(type="string")}
    with pytest.raises(PolicyError, match=said):
        DockerRunner().check(action("c", "docker", settings, parameters=parameters))
