"""The checks of `watchkeeper doctor`: each says what it found and, where something is wrong, the cure."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx

from bot.http_api.address import read_address
from engine.adapters.files import open_to_others
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.sandbox_choice import Sandboxes
from engine.adapters.snapshot_store import SnapshotStore
from engine.adapters.token_file import TokenFile
from engine.core.policy import Policy
from engine.errors import InputError, WatchkeeperError
from engine.runtime.outbox import place_of
from engine.wiring.checks import Check
from engine.wiring.kpis import read_kpis
from engine.wiring.service import Service, check, open_service
from notifiers.reach import reach_of, waking_checks
from watchkeeper.commands_status import ago
from watchkeeper.doctor_hooks import hook_checks
from watchkeeper.looking import Seen, look

# Both may be dead, and the answer should still be there within three seconds.
_PATIENCE_S: Final = 1.0
_LOW_MIB: Final = 512
# A body asks for work every two seconds.
_SILENT_S: Final = 15.0
# Twice the distance between two snapshots: one may be late, two are missing.
_LATE: Final = 2


def diagnose(home: Path, config: Path | None) -> list[Check]:
    """Look at everything. What cannot be looked at because of something else is left out."""
    found: list[Check] = []
    try:
        service = open_service(home, config)
        policy = check(service)
    except WatchkeeperError as wrong:
        return [_bad("config", wrong)]
    found.append(
        Check(
            what="config",
            verdict="ok",
            said=(
                f"{service.config}: {len(policy.actions)} actions, {len(read_kpis(service.config))} KPIs, "
                f"policy {policy.policy_hash[:12]}"
            ),
        )
    )
    seen = look(home, patience_s=_PATIENCE_S)
    for each in (
        _state,
        _processes,
        _http,
        _people,
        _bodies,
        _journal,
        _snapshots,
        _sandboxes,
        _unsandboxed,
        _stops,
        _waking,
        _hooks,
    ):
        try:
            found += each(service, policy, seen)
        except WatchkeeperError as wrong:
            found.append(_bad(each.__name__.strip("_"), wrong))
    return found


def _bad(what: str, wrong: WatchkeeperError) -> Check:
    place = f"{wrong.place}: " if wrong.place else ""
    return Check(what=what, verdict="bad", said=f"{place}{wrong.message}", cure=wrong.cure or "")


def _state(service: Service, _policy: Policy, _seen: Seen) -> Iterator[Check]:
    home = service.layout.home
    if not home.exists():
        yield Check(what="state", verdict="bad", said=f"{home} is not there", cure="watchkeeper up")
        return
    free_mib = shutil.disk_usage(home).free >> 20
    low = free_mib < _LOW_MIB
    yield Check(
        what="disk",
        verdict="warn" if low else "ok",
        said=f"{free_mib:,} MiB are free where {home} is",
        cure="free space: below 64 MiB no effect starts" if low else "",
    )
    if open_to_others(home):
        yield Check(
            what="state",
            verdict="warn",
            said=f"others can look into {home}, where the journal and contents of files are",
            cure=f"chmod go-rw {home}" if os.geteuid() == 0 else f"chmod 700 {home}",
        )
    for path in (service.layout.tokens, service.layout.own_token):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Check(
                what="state", verdict="bad", said=f"{path} can be read by others", cure=f"chmod 600 {path}"
            )


def _processes(_service: Service, _policy: Policy, seen: Seen) -> Iterator[Check]:
    if seen.supervisor is None:
        yield Check(what="supervisor", verdict="bad", said="does not run", cure="watchkeeper up")
    else:
        yield _process("supervisor", seen.supervisor, seen)
    for process in seen.processes:
        if process.pid is not None and seen.states[process.name] != "running":
            yield _process(process.name, process.pid, seen)
        elif process.pid is None or process.restarts:
            last = f", last with {process.last_exit}" if process.last_exit else ""
            yield Check(
                what=process.name,
                verdict="bad" if process.pid is None else "warn",
                said=f"ended {process.restarts} times{last}",
                cure="read what it said on the supervisor's standard error",
            )
    if seen.engine is None:
        yield Check(
            what="engine",
            verdict="bad",
            said=f"does not answer: {seen.engine_said}",
            cure="watchkeeper up; if it runs, it is stuck: kill its process, and it is started again",
        )
        return
    yield Check(
        what="engine",
        verdict="ok",
        said=f"process {seen.engine.pid}, journal at record {seen.engine.journal_seq:,}",
    )
    for name, detail in sorted(seen.engine.troubles.items()):
        cure = "watchkeeper clear-trouble clock, if the time is right now" if name == "clock" else "mend that"
        yield Check(what=f"{name}", verdict="bad", said=f"{detail}; no effect starts", cure=cure)


def _process(name: str, pid: int, seen: Seen) -> Check:
    match seen.states[name]:
        case "running":
            return Check(what=name, verdict="ok", said=f"process {pid}")
        case "still":
            return Check(
                what=name,
                verdict="bad",
                said=f"process {pid} stands still, stopped by a signal",
                cure=f"kill -CONT {pid}, or kill it: it is started again",
            )
        case "gone":
            return Check(
                what=name,
                verdict="bad",
                said=f"process {pid} is gone, and nobody started it again",
                cure="is the supervisor well? stop it and start `watchkeeper up` again",
            )


def _http(service: Service, _policy: Policy, seen: Seen) -> Iterator[Check]:
    address = read_address(service.layout.address)
    if not seen.url or address is None:
        yield Check(what="http", verdict="bad", said="the API does not listen", cure="watchkeeper up")
        return
    if seen.states.get("front") == "still":
        # Not worth the wait.
        said = f"{seen.url} does not answer: the front stands still"
        yield Check(what="http", verdict="bad", said=said, cure="see above: the front")
        return
    began = time.perf_counter()
    try:
        answer = httpx.get(
            f"{address.here}/v1/health", timeout=_PATIENCE_S, trust_env=False, verify=address.trust()
        )
    except httpx.HTTPError as error:
        yield Check(
            what="http", verdict="bad", said=f"{seen.url} does not answer: {error}", cure="kill the front"
        )
        return
    except InputError as error:
        yield Check(what="http", verdict="bad", said=str(error), cure=error.cure or "")
        return
    took_ms = (time.perf_counter() - began) * 1000
    yield Check(
        what="http",
        verdict="ok" if answer.is_success else "bad",
        said=f"{seen.url} answered {answer.status_code} in {took_ms:.0f} ms",
    )


def _people(service: Service, _policy: Policy, _seen: Seen) -> Iterator[Check]:
    entries = TokenFile(service.layout.tokens).entries()
    captains = sorted({entry.name for entry in entries if entry.role == "captain"})
    agents = sorted({entry.name for entry in entries if entry.kind == "agent"})
    if not captains:
        yield Check(
            what="captains",
            verdict="bad",
            said="there is none, so nobody can resume or promote",
            cure="watchkeeper token create --person NAME --role captain",
        )
    else:
        yield Check(what="captains", verdict="ok", said=", ".join(captains))
    if not agents:
        yield Check(
            what="agents",
            verdict="warn",
            said="no agent has a token yet",
            cure="watchkeeper token create --agent NAME",
        )


def _bodies(service: Service, policy: Policy, seen: Seen) -> Iterator[Check]:
    """Look for who performs what the registry has done elsewhere."""
    places = {place_of(action.run) for action in policy.actions.values() if action.run is not None} - {""}
    entries = [entry for entry in TokenFile(service.layout.tokens).entries() if entry.kind == "body"]
    known = {body.name: body for body in seen.engine.bodies} if seen.engine is not None else {}
    for place in sorted(places):
        names = sorted({entry.name for entry in entries if place in {entry.name, *entry.pools}})
        if not names:
            yield Check(
                what="bodies",
                verdict="bad",
                said=f"actions run on {place}, and no body of that name or pool has a token",
                cure=f"watchkeeper token create --body {place}, then docs/howto/body.md",
            )
        elif seen.engine is not None and not any(name in known for name in names):
            yield Check(
                what="bodies",
                verdict="warn",
                said=f"{seen.engine.elsewhere.get(place, 0)} effects wait for {place}, of which none was "
                "heard of since the engine began",
                cure="watchkeeper body, on its machine",
            )
    for body in known.values():
        is_late = time.time() - body.last_us / 1e6 > _SILENT_S
        yield Check(
            what="bodies",
            verdict="warn" if is_late else "ok",
            said=f"{body.name}, version {body.version}, heard of {ago(body.last_us)}, "
            f"{len(body.holds)} under way",
            cure="does it run, and can it reach this address? watchkeeper body status" if is_late else "",
        )


def _journal(service: Service, _policy: Policy, _seen: Seen) -> Iterator[Check]:
    path = service.layout.journal
    if path.exists():
        with SqliteReader(path) as journal:
            head = journal.head()
        size = path.stat().st_size >> 20
        yield Check(what="journal", verdict="ok", said=f"{head.seq:,} records, {size} MiB in {path}")


def _snapshots(service: Service, _policy: Policy, _seen: Seen) -> Iterator[Check]:
    every_s = service.settings.snapshots.every_s
    known = SnapshotStore(service.layout.snapshots).list()
    if not known:
        yield Check(
            what="snapshots",
            verdict="warn",
            said="there is none yet",
            cure="watchkeeper snapshot create",
        )
        return
    late = every_s and time.time() - known[-1].created_us / 1e6 > _LATE * every_s
    yield Check(
        what="snapshots",
        verdict="warn" if late else "ok",
        said=f"{len(known)}, the last {ago(known[-1].created_us)}",
        cure="watchkeeper snapshot create" if late else "",
    )


def _sandboxes(service: Service, _policy: Policy, _seen: Seen) -> Iterator[Check]:
    sandboxes = Sandboxes(home=service.layout.home, image=service.settings.sandbox.image)
    try:
        auto, *backends = sandboxes.describe()
    finally:
        sandboxes.close()
    yield Check(
        what="sandbox",
        verdict="ok" if auto.working else "bad",
        said=f"auto is {auto.backend}: {auto.why}" if auto.working else f"there is none: {auto.why}",
        cure=auto.cure,
    )
    for limit in auto.not_limited:
        yield Check(what="sandbox", verdict="warn", said=f"{auto.backend}: {limit}")
    for state in backends:
        if not state.working and state.backend != auto.backend:
            yield Check(what=state.backend, verdict="warn", said=state.why, cure=state.cure)


def _unsandboxed(_service: Service, policy: Policy, _seen: Seen) -> Iterator[Check]:
    names = sorted(name for name, action in policy.actions.items() if action.unsandboxed)
    if names:
        yield Check(
            what="unsandboxed",
            verdict="warn",
            said=f"{', '.join(names)}: programs run with nothing around them, as the registry says",
            cure="take `sandbox: none` out of actions.yaml",
        )


def _waking(service: Service, _policy: Policy, _seen: Seen) -> Iterator[Check]:
    yield from waking_checks(reach_of(service))


def _hooks(service: Service, _policy: Policy, _seen: Seen) -> Iterator[Check]:
    yield from hook_checks(service.layout.home)


def _stops(_service: Service, _policy: Policy, seen: Seen) -> Iterator[Check]:
    for stop in seen.stops:
        because = f": {stop.reason}" if stop.reason else ""
        yield Check(
            what="stopped",
            verdict="warn",
            said=f"{stop.scope} by {stop.by}, {ago(stop.at_us)}{because}",
            cure=f"watchkeeper resume {stop.scope} --reason WHY",
        )
