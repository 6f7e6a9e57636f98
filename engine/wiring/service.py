"""The running service, put together: its configuration, its engine process and its worker processes."""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import uvloop
from msgspec import Struct

from engine.adapters.announcements import Announcements
from engine.adapters.fence_files import FileFence
from engine.adapters.files import private_folder, storage_errors
from engine.adapters.inflight import InFlight
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.link_file import LinkFile
from engine.adapters.log_lines import clean_logs
from engine.adapters.restore_notes import clear_notes, read_notes
from engine.adapters.roster import Capable, FileRoster
from engine.adapters.runner_docker import DockerRunner
from engine.adapters.runner_file import FileRunner
from engine.adapters.runner_git import GitRunner
from engine.adapters.runner_http import HttpRunner
from engine.adapters.runner_python import PythonRunner
from engine.adapters.runner_shell import ShellRunner
from engine.adapters.sandbox_choice import Sandboxes
from engine.adapters.snapshot_store import SnapshotStore
from engine.adapters.sweep import end_left_behind
from engine.adapters.undo_log import FolderUndoLog
from engine.adapters.yaml_files import read_yaml
from engine.core.policy import Policy
from engine.core.vocabulary.actions import RunnerKind
from engine.core.vocabulary.ids import EffectId
from engine.errors import InputError
from engine.ports import Limits, Runner
from engine.runtime.client import EngineClient
from engine.runtime.clock import SteadyClock
from engine.runtime.executor import Executor
from engine.runtime.layout import Layout
from engine.runtime.live import Live
from engine.runtime.parts import Ladders, Parts, SavedSnapshot
from engine.runtime.server import EngineServer
from engine.runtime.timers import Timers
from engine.runtime.watch import Watch
from engine.settings.channels import ChannelsFile
from engine.settings.service import SandboxSection, ServiceFile
from engine.wiring.events import read_events
from engine.wiring.kpis import read_kpis
from engine.wiring.ladders import Channels, Waking, read_waking
from engine.wiring.oncall import Known, open_file
from engine.wiring.policies import SHIPPED_CONFIG, build_policy, config_folder, read_policy
from engine.wiring.privacy import check_rules, make_scrubber

_MIB = 1 << 20
_SERVICE_FILE = "watchkeeper.yaml"
_LAST_REPORTS_S = 5.0


class Service(Struct, frozen=True, kw_only=True):
    """One installation: where it keeps its state, and how it is set."""

    layout: Layout
    config: Path
    """The folder with watchkeeper.yaml, actions.yaml, ladders.yaml and its companions, and policies/."""
    settings: ServiceFile

    @property
    def workspace(self) -> Path:
        """The folder effects work in."""
        return self.layout.home / (self.settings.workspace.path or self.layout.workspace.name)

    @property
    def announcements(self) -> Announcements:
        """Where people are told, until there are channels that wake them."""
        return Announcements(self.layout.announcements, screen=sys.stderr)

    def policy(self) -> Policy:
        """Read and compile what it decides by. Raises `InputError` and `PolicyError`."""
        return build_policy(read_policy(self.config / "policies"))


def open_service(home: Path, config: Path | None = None) -> Service:
    """Read the configuration: `config`, or the state folder's own, or the shipped one.

    Raises `InputError` naming the file, the line and the cure.
    """
    layout = Layout(home.resolve())
    chosen = config_folder(layout.home, config)
    path = chosen / _SERVICE_FILE
    if not path.exists():
        raise InputError(
            "no such file", place=str(path), cure=f"copy {SHIPPED_CONFIG / _SERVICE_FILE} there and adapt it"
        )
    return Service(layout=layout, config=chosen.resolve(), settings=read_yaml(path).checked(ServiceFile))


def make_folders(service: Service) -> None:
    """Make the state folder and the workspace where they are missing. Raises `StorageError`."""
    layout = service.layout
    for folder in (layout.home, layout.inflight, layout.undo):
        private_folder(folder)
    for folder in (layout.stops, service.workspace):
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)


def make_runners(service: Service, sandboxes: Sandboxes) -> dict[RunnerKind, Runner]:
    """Make every runner there is."""
    settings = service.settings
    protected = settings.workspace.protected_branches
    return runners_of(service.layout, settings.sandbox, protected, sandboxes)


def runners_of(
    layout: Layout, section: SandboxSection, protected: tuple[str, ...], sandboxes: Sandboxes
) -> dict[RunnerKind, Runner]:
    """Make every runner there is, for a state folder; `protected` are branches nobody may touch."""
    limits = Limits(
        memory_mib=section.memory_mib,
        pids=section.pids,
        cpus=section.cpus,
        output_kib=section.output_kib,
        disk_mib=section.disk_mib,
        # Each action has its own; the runner puts it here.
        wall_us=0,
    )
    return {
        "shell": ShellRunner(choose=sandboxes.choose, limits=limits),
        "python": PythonRunner(choose=sandboxes.choose, limits=limits),
        "file": FileRunner(closed=[layout.home]),
        "git": GitRunner(protected=protected),
        "http": HttpRunner(secrets=layout.secrets),
        "docker": DockerRunner(),
    }


def check_runners(policy: Policy, runners: Mapping[RunnerKind, Runner]) -> None:
    """Have every runner check the actions it performs. Raises `PolicyError` for the first wrong one."""
    for action in policy.actions.values():
        if action.run is not None:
            runners[action.run.runner].check(action)


def read_channels(config: Path) -> ChannelsFile:
    """Read channels.yaml; the shipped one where a folder has none. Raises `InputError` and `PolicyError`."""
    return open_file(config, "channels.yaml").checked(ChannelsFile)


def check(service: Service, channels: Channels | None = None) -> Policy:
    """Read everything a start would read. Raises as a start would.

    Ladders are checked against the channels there are where these are given.
    """
    policy = service.policy()
    read_kpis(service.config)
    read_events(service.config)
    read_waking(service.config, channels)
    sandboxes = _sandboxes(service)
    check_runners(policy, make_runners(service, sandboxes))
    check_rules(service.config / "policies")
    sandboxes.close()
    return policy


def _sandboxes(service: Service) -> Sandboxes:
    return Sandboxes(home=service.layout.home, image=service.settings.sandbox.image)


@contextmanager
def told_to_end(end: asyncio.Event) -> Iterator[None]:
    """Raise a flag at the signals that mean: come to an end."""
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, end.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            running.remove_signal_handler(number)


# ---------------------------------------------------------------- the engine process


def run_engine(service: Service, *, version: str, channels: Channels) -> None:
    """Run the engine until SIGTERM. Raises any error of ours when it cannot start.

    `channels` are those that people can be woken by.
    """
    clean_logs()
    policy = check(service, channels)
    make_folders(service)
    uvloop.run(_engine(service, policy, version, channels))


def ladders_of(service: Service, waking: Waking, channels: Channels) -> Ladders:
    """Return how people are woken."""
    return Ladders(settings=waking.settings, roster=roster_of(service, waking.known, channels.by_name))


def roster_of(service: Service, known: Known, channels: Mapping[str, Capable]) -> FileRoster:
    """Return who is meant by a rung and how they are reached, over these channels."""
    return FileRoster(
        known.people.values(),
        known.schedules.values(),
        channels=channels,
        links=LinkFile(service.layout.links).all,
    )


async def _engine(service: Service, policy: Policy, version: str, channels: Channels) -> None:
    layout, settings, announcer = service.layout, service.settings, service.announcements
    undo = FolderUndoLog(layout.undo)
    waking = read_waking(service.config, channels)

    async def end_leftovers(effect_id: EffectId) -> None:
        # All that dead workers left at once: finding it reads every process of the machine anyway.
        await asyncio.to_thread(end_left_behind, layout.home, effect_id)

    live = Live(
        Parts(
            policy=policy,
            open_journal=lambda: SqliteJournal(layout.journal),
            fence=FileFence(layout.stops),
            clock=SteadyClock(),
            announcer=announcer,
            scrubber=make_scrubber(policy.privacy, service.config / "policies", layout),
            home=layout.home,
            version=version,
            lease_s=settings.workers.lease_s,
            start_within_s=settings.workers.start_within_s,
            end_leftovers=end_leftovers,
            save_snapshot=lambda: _apart(service),
            ladders=ladders_of(service, waking, channels),
        )
    )

    async def tidy() -> None:
        # An undo under way still reads the record of what it takes back.
        in_use = {name for task in live.intake.journal.tasks.all() for name in (task.effect_id, task.of)}
        section = settings.undo
        most_bytes = section.most_mib * _MIB
        await asyncio.to_thread(undo.trim, keep=section.keep, most_bytes=most_bytes, in_use=in_use)

    server = EngineServer(live, layout.socket)
    timers = Timers(
        live,
        announcer,
        snapshot_every_s=settings.snapshots.every_s,
        tidy=tidy,
        drills=waking.drills,
    )
    end = asyncio.Event()
    try:
        with told_to_end(end):
            await _journal_restores(live, layout)
            await live.begin()
            await server.open()
            timers.start()
            watching = asyncio.create_task(
                Watch(live, announcer, layout.home, clock_slack_s=settings.clock_slack_s).run()
            )
            ringing = asyncio.create_task(live.wake_people())
            ending = asyncio.create_task(end.wait())
            await asyncio.wait([watching, ringing, ending], return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            for work in (watching, ringing):
                if work.done():
                    work.result()
                work.cancel()
            await asyncio.gather(watching, ringing, return_exceptions=True)
            timers.stop()
            await server.close()
            live.intake.snapshot()
    finally:
        live.intake.close()


async def _journal_restores(live: Live, layout: Layout) -> None:
    """Journal what was restored while no engine was there to do so."""
    notes = read_notes(layout.home)
    for note in notes:
        await live.intake.take(note.key, note.fact)
    if notes:
        clear_notes(layout.home, frozenset(note.key for note in notes))


def _apart(service: Service) -> SavedSnapshot:
    """Have another process take the snapshot: reading thousands of files would compete with the decisions."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(save_snapshot, service).result()


def save_snapshot(service: Service) -> SavedSnapshot:
    """Copy journal, configuration and workspace, and let the oldest copies go. Raises `StorageError`."""
    layout, section = service.layout, service.settings.snapshots
    store = SnapshotStore(layout.snapshots)
    info = store.create(
        {"config": service.config, "workspace": service.workspace},
        journal=layout.journal,
        apart=(layout.home,),
        now_us=SteadyClock().now_us(),
    )
    store.trim(section.keep, section.most_mib * _MIB)
    return SavedSnapshot(
        snapshot_id=info.snapshot_id,
        journal_seq=info.journal_seq,
        files=info.files,
        size_bytes=info.size_bytes,
    )


# ---------------------------------------------------------------- a worker process


def run_worker(service: Service, *, name: str) -> None:
    """Run a worker until SIGTERM; what is under way is finished first. Raises when it cannot start."""
    clean_logs()
    policy = service.policy()
    sandboxes = _sandboxes(service)
    runners = make_runners(service, sandboxes)
    check_runners(policy, runners)
    make_folders(service)
    try:
        uvloop.run(_worker(service, runners, name))
    finally:
        sandboxes.close()


async def _worker(service: Service, runners: dict[RunnerKind, Runner], name: str) -> None:
    layout, section = service.layout, service.settings.workers
    client, fence, inflight = EngineClient(layout.socket), FileFence(layout.stops), InFlight(layout.inflight)
    executor = Executor(
        client,
        runners,
        fence,
        FolderUndoLog(layout.undo),
        worker=f"{name}:{os.getpid()}",
        slots=section.slots,
        lease_s=section.lease_s,
        workspace=service.workspace,
        watching=lambda task: inflight.watching(fence, task),
    )
    end = asyncio.Event()
    with told_to_end(end):
        work = asyncio.create_task(executor.run())
        ending = asyncio.create_task(end.wait())
        await asyncio.wait([work, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        executor.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(work, section.drain_s + _LAST_REPORTS_S)
    await client.close()
