"""`watchkeeper snapshot`: copies of journal, configuration and workspace, and bringing them back."""

import asyncio
import contextlib
import getpass
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from engine.adapters import restore_notes
from engine.adapters.files import storage_errors
from engine.adapters.machine_time import now_us
from engine.adapters.snapshot_manifest import JOURNAL, SnapshotInfo
from engine.adapters.snapshot_recovery import Restored
from engine.adapters.snapshot_restore import Changes
from engine.adapters.snapshot_store import SnapshotStore
from engine.adapters.yaml_files import read_yaml
from engine.core.plain_text import count_text
from engine.core.vocabulary.facts import SnapshotRestored
from engine.core.vocabulary.units import time_text
from engine.errors import EffectRefused, InputError, Unreachable, WatchkeeperError
from engine.runtime.client import ask_once
from engine.runtime.layout import Layout
from engine.runtime.sockets import connected
from engine.runtime.wire import Done, Tell
from engine.settings.service import ServiceFile
from engine.wiring import config_folder
from simulator.plain import printable
from watchkeeper.home import CONFIG_VARIABLE, home

_FOLDER = click.Path(path_type=Path)
_PARTS: Final = ("workspace", "config", JOURNAL)
_SHOWN: Final = 5
_ANSWER_S: Final = 5.0
_MIB: Final = 1 << 20


@click.group()
def snapshot() -> None:
    """Copy journal, configuration and workspace, and bring them back. Works with and without an engine."""


@snapshot.command()
@click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=_FOLDER,
    help="The folder with watchkeeper.yaml; by default `config` in the data folder, or the shipped one.",
)
@click.option(
    "--workspace", type=_FOLDER, help="The folder effects work in; by default as watchkeeper.yaml has it."
)
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="Leave out, as in a .gitignore. May be repeated."
)
def create(config: Path | None, workspace: Path | None, exclude: tuple[str, ...]) -> None:
    """Take a snapshot now, and let the oldest go as watchkeeper.yaml says."""
    layout = Layout(home())
    config = config_folder(layout.home, config)
    service = read_yaml(config / "watchkeeper.yaml").checked(ServiceFile)
    workspace = workspace or layout.home / (service.workspace.path or layout.workspace.name)
    roots = {"config": config} | ({"workspace": workspace} if workspace.exists() else {})
    store = _store(layout)
    info = store.create(
        roots,
        journal=layout.journal if layout.journal.exists() else None,
        exclude=exclude,
        apart=(layout.home,),
        now_us=now_us(),
    )
    click.echo(
        f"{info.snapshot_id}  {_amount(info)} in {info.seconds:.1f} s, {_size(info.stored_bytes)} of it new"
    )
    for part in _PARTS:
        where = info.roots.get(part)
        click.echo(f"  {part:<10} {where if where is not None else 'there is none'}")
    _warn(info)
    store.trim(service.snapshots.keep, service.snapshots.most_mib * _MIB)


@snapshot.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """Show the snapshots there are, oldest first."""
    infos = _store(Layout(home())).list()
    if as_json:
        click.echo(msgspec.json.encode(infos, enc_hook=str))
        return
    for info in infos:
        notes = [f"{info.left_out} left out"] * bool(info.left_out) + [f"{info.torn} torn"] * bool(info.torn)
        click.echo(
            f"{info.snapshot_id}  {time_text(info.created_us // 1_000_000 * 1_000_000)}  {_amount(info)}, "
            f"{_size(info.stored_bytes)} new  {' '.join(info.parts)}{'  ' * bool(notes)}{', '.join(notes)}"
        )


@snapshot.command()
@click.argument("snapshot_id", metavar="ID")
@click.option("--part", "parts", multiple=True, type=click.Choice(_PARTS), help="Only this. May be repeated.")
@click.option("--to", type=_FOLDER, help="Into this folder instead, which must not exist yet: a rehearsal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(snapshot_id: str, parts: tuple[str, ...], to: Path | None, yes: bool) -> None:
    """Bring back the snapshot ID, the only one that begins so, or the latest.

    In place, it shows what would change, asks, takes a snapshot of the present, and swaps. Only the workspace
    goes back unless parts are named: an older journal lacks the records since, an older configuration may
    allow what is forbidden by now.
    """
    layout = Layout(home())
    store = _store(layout)
    info = store.find(snapshot_id)
    if to is not None:
        _rehearse(store, info, _chosen(info, parts or info.parts), to)
        return
    chosen = _chosen(info, parts or ("workspace",))
    targets = {part: layout.journal if part == JOURNAL else info.roots[part] for part in chosen}
    _require_quiet(layout, targets)
    _preview(store, info, targets)
    if not yes:
        click.confirm("restore?", abort=True)
        # Whoever was asked may have taken an hour to answer.
        _require_quiet(layout, targets)
    at_us = now_us()
    done = store.replace(info.snapshot_id, targets, apart=(layout.home,), now_us=at_us)
    _announce(layout, done, at_us)
    _report(done)


@snapshot.command()
@click.argument("snapshot_id", metavar="[ID]", required=False)
def verify(snapshot_id: str | None) -> None:
    """Read all of one snapshot, or of every one. Exit status 1 when something is damaged, naming it."""
    found = _store(Layout(home())).verify(snapshot_id)
    for damage in found.damage:
        click.echo(f"DAMAGED {damage.snapshot_id} {printable(damage.place)}: {damage.what}", err=True)
    if found.damage:
        raise SystemExit(1)
    walked = f", journal to record {found.journal_seq:,}" if found.journal_seq else ""
    click.echo(f"ok {count_text(found.snapshots, 'snapshots')}, {count_text(found.chunks, 'chunks')}{walked}")


# ---------------------------------------------------------------- before


def _store(layout: Layout) -> SnapshotStore:
    return SnapshotStore(layout.snapshots)


def _chosen(info: SnapshotInfo, parts: Sequence[str]) -> tuple[str, ...]:
    """Return these parts, each once. Raises `InputError` for one that the snapshot has not."""
    for part in parts:
        if part not in info.parts:
            raise InputError(f"has no {part}", place=info.snapshot_id, cure=f"it has {', '.join(info.parts)}")
    return tuple(dict.fromkeys(parts))


def _require_quiet(layout: Layout, targets: Mapping[str, Path]) -> None:
    """Refuse to pull the workspace from under effects that are under way. Raises `EffectRefused`."""
    if "workspace" not in targets or not layout.inflight.is_dir():
        return
    running = sum(1 for _ in layout.inflight.iterdir())
    if running and _engine_listens(layout):
        raise EffectRefused(
            f"under way in the workspace: {count_text(running, 'effects')}",
            place=str(layout.inflight),
            cure="put a stop up, wait until they have ended, then restore",
        )


def _rehearse(store: SnapshotStore, info: SnapshotInfo, parts: Sequence[str], to: Path) -> None:
    made = not to.exists()
    with storage_errors(to):
        to.mkdir(parents=True, exist_ok=True)
    targets = {part: to / (info.roots[part].name if part == JOURNAL else part) for part in parts}
    try:
        done = store.restore(info.snapshot_id, targets)
    except BaseException:
        # Ctrl-C counts too: nothing half restored stays behind.
        if made:
            shutil.rmtree(to, ignore_errors=True)
        raise
    click.echo(f"restored {count_text(done.files, 'files')} of {info.snapshot_id} in {done.seconds:.1f} s")
    for part, place in targets.items():
        click.echo(f"  {part:<10} {place}")


def _preview(store: SnapshotStore, info: SnapshotInfo, targets: Mapping[str, Path]) -> None:
    click.echo(f"{info.snapshot_id}, taken {time_text(info.created_us // 1_000_000 * 1_000_000)}")
    for part, place in targets.items():
        if part == JOURNAL:
            click.echo(
                f"  journal: {place} goes back to record {info.journal_seq:,}; the present one is kept"
            )
            continue
        found = store.changes(info.snapshot_id, part, place)
        counts = (
            f"{len(found.added):,} come back, {len(found.changed):,} change, {len(found.removed):,} go away"
        )
        click.echo(f"  {part}: {place}: {counts}, {found.same:,} stay")
        for line in _first(found):
            click.echo(f"    {line}")


def _first(found: Changes) -> list[str]:
    lines = []
    for sign, paths in (("+", found.added), ("~", found.changed), ("-", found.removed)):
        lines += [f"{sign} {printable(path)}" for path in paths[:_SHOWN]]
        if len(paths) > _SHOWN:
            lines.append(f"{sign} and {len(paths) - _SHOWN:,} more")
    return lines


# ---------------------------------------------------------------- after


def _report(done: Restored) -> None:
    click.echo(f"restored {count_text(done.files, 'files')} of {done.snapshot_id} in {done.seconds:.1f} s")
    if done.safety_id is not None:
        click.echo(f"what was there is snapshot {done.safety_id}")
    for part, place in done.kept.items():
        why = "" if part == JOURNAL else ", for that snapshot does not hold all of it"
        click.echo(f"the {part} that was there is kept at {place}{why}")


def _announce(layout: Layout, done: Restored, now_us: int) -> None:
    """Have the restore journalled: by the engine if it answers, else by the next one that starts."""
    fact = SnapshotRestored(
        at_us=now_us, snapshot_id=done.snapshot_id, by=getpass.getuser(), parts=done.parts
    )
    note = restore_notes.note_of(fact)
    restore_notes.leave_note(layout.home, note)
    if _told(layout, note):
        restore_notes.clear_notes(layout.home, frozenset({note.key}))


def _told(layout: Layout, note: restore_notes.RestoreNote) -> bool:
    """Tell a running engine; `False` when none answers that it has it on disk."""
    tell = Tell(key=note.key, fact=note.fact)
    with contextlib.suppress(WatchkeeperError):
        return isinstance(asyncio.run(ask_once(layout.socket, tell, timeout_s=_ANSWER_S)), Done)
    return False


def _engine_listens(layout: Layout) -> bool:
    """Whether an engine is there, be it too busy to answer."""
    try:
        asyncio.run(connected(layout.socket)).close()
    except Unreachable:
        return False
    return True


def _warn(info: SnapshotInfo) -> None:
    if info.left_out:
        click.echo(
            f"{count_text(info.left_out, 'names')} left out: sockets, devices, or not permitted", err=True
        )
    if info.torn:
        click.echo(f"{count_text(info.torn, 'files')} changed while read, each time", err=True)
    if not info.journal_continues:
        click.echo(
            "the journal does not go on from the last snapshot's: it was restored, replaced or rewritten",
            err=True,
        )


def _amount(info: SnapshotInfo) -> str:
    records = f" and {info.journal_seq:,} records" if JOURNAL in info.parts else ""
    return f"{count_text(info.files, 'files')}{records}, {_size(info.size_bytes)}"


def _size(count: int) -> str:
    """Write a size.

    >>> _size(0), _size(2_000_000), _size(3_000_000_000)
    ('0.0 MB', '2.0 MB', '3,000.0 MB')
    """
    return f"{count / 1_000_000:,.1f} MB"
