"""Replays asked for from afar: each in a process of its own, a few at a time, with its report kept.

A folder for each is the record of it: what was asked for and how far it is, what was decided so far, and the
report. Bots go on from there after a restart, whatever ended them.
"""

import contextlib
import json
import re
import secrets
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs

from engine.adapters import machine_time
from engine.adapters.files import atomic_write, private_folder, storage_errors
from engine.adapters.journal_lock import WriterLock
from engine.errors import InputError, JournalBusy, WatchkeeperError
from engine.ports import IN_FORCE, ReplayJob, ReplayWish

MOST_RUNNING: Final = 2
MOST_WAITING: Final = 10
MOST_KEPT: Final = 20
MOST_BYTES: Final = 512 << 20
"""The largest recording that may be replayed from afar: a replay of more belongs into a terminal."""
_JOB: Final = "job.json"
_REPORT: Final = "report.html"
RESULTS: Final = "results.sqlite"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_OPEN: Final = frozenset({"waiting", "running"})
_WRITTEN_EACH: Final = 0.05
"""After how much more of a replay its record is written again: others read there how far it is."""


class Asked(Struct, frozen=True, kw_only=True):
    """What the worker process is told to do."""

    recording: Path
    policy: Path
    against: Path | None
    folder: Path


class Told(Struct, frozen=True, kw_only=True):
    """One line the worker process says."""

    share: float = 0.0
    decisions: int = 0
    summary: str = ""
    """What came out; empty until the end."""
    error: str = ""


class ReplayJobs:
    """The port `Replays`. Safe from many threads."""

    def __init__(
        self,
        folder: Path,
        *,
        recordings: Path,
        bundled: dict[str, Path],
        policy: Path,
        policies: Path,
        drafts: Path | None = None,
        lasting: bool = False,
        at_once: int | None = None,
        now_us: Callable[[], int] = machine_time.now_us,
    ) -> None:
        """Keep jobs in `folder`; take recordings from `recordings` and from those that are `bundled`.

        `policy` is the one in force; a folder in `policies`, or in `drafts`, is another. With `lasting` jobs
        outlive their process: what was open when one before this ended, goes on here and now, and `close`
        leaves open what is. Without it a job ends with its process. `at_once` is how many run at once, `None`
        for as many as usual. Nothing is made until a job is.
        """
        self._folder, self._recordings, self._bundled = folder, recordings, bundled
        self._policy, self._policies, self._now_us = policy, policies, now_us
        self._drafts = drafts
        self._lasting, self._closing, self._at_once = lasting, False, at_once
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, ReplayJob] = OrderedDict()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._mine: dict[str, WriterLock] = {}
        """The records of lasting jobs that this process alone writes."""
        self._elsewhere: set[str] = set()
        """Jobs that are another process's, or wait for one that lets them last."""
        self._written: dict[str, float] = {}
        with self._lock:
            self._remember()
            self._next()

    def recordings(self) -> tuple[str, ...]:
        """Return the names of the recordings at hand."""
        found = {path.name.removesuffix(".wkr") for path in self._recordings.glob("*.wkr")}
        return tuple(sorted(found | set(self._bundled)))

    def policies(self) -> tuple[str, ...]:
        """Return the names of the policy folders at hand, besides the one in force."""
        if not self._policies.is_dir():
            return ()
        return tuple(sorted(path.name for path in self._policies.iterdir() if path.is_dir()))

    def jobs(self) -> tuple[ReplayJob, ...]:
        """Return those that are remembered, the newest first."""
        with self._lock:
            self._look_elsewhere()
            return tuple(reversed(self._jobs.values()))

    def job(self, name: str) -> ReplayJob:
        """Return one by its name. Raises `InputError` when there is none."""
        with self._lock:
            self._look_elsewhere()
            return self._job(name)

    def results(self, name: str) -> Path:
        """Return where the results of one lie that is done. Raises `InputError` when there are none."""
        job, path = self.job(name), self._folder / name / RESULTS
        if job.state != "done" or not path.exists():
            raise InputError(
                f"it has no results: it is {job.state}", place=name, cure="wait, or replay again"
            )
        return path

    def start(self, wish: ReplayWish) -> ReplayJob:
        """Begin one, or let it wait for its turn."""
        self._recording(wish.recording)
        for policy in (wish.policy, wish.against):
            self._policy_folder(policy)
        with self._lock:
            waiting = sum(job.state == "waiting" for job in self._jobs.values())
            if waiting >= MOST_WAITING:
                raise InputError(
                    f"{waiting} replays wait already", cure="wait, or cancel one: /replay status shows them"
                )
            name = f"r{secrets.token_hex(3)}"
            job = ReplayJob(name=name, wish=wish, state="waiting", begun_us=self._now_us())
            private_folder(self._folder / name)
            if self._lasting:
                self._mine[name] = self._lock_of(name)
                self._write(job)
            self._jobs[name] = job
            self._forget()
            self._next()
            return self._jobs[name]

    def cancel(self, name: str) -> ReplayJob:
        """End one before its time. Raises `InputError` when there is none, or it is over."""
        with self._lock:
            job = self._job(name)
            if job.state not in _OPEN:
                raise InputError(f"it is {job.state} already", place=name)
            if name in self._elsewhere:
                raise InputError(
                    "it is another process's", place=name, cure="cancel it where it was asked for: in chat"
                )
            if (process := self._processes.get(name)) is not None:
                process.terminate()
            self._jobs[name] = job = structs.replace(job, state="cancelled", ended_us=self._now_us())
            self._over(job)
            return job

    def close(self) -> None:
        """End all that run here; what lasts stays as it is, for the next process."""
        with self._lock:
            self._closing = True
            running = list(self._processes.values())
            for name, job in self._jobs.items():
                if job.state in _OPEN and not self._lasting and name not in self._elsewhere:
                    self._jobs[name] = structs.replace(job, state="cancelled", ended_us=self._now_us())
                    self._over(self._jobs[name])
        for process in running:
            # What lasts goes on from what is on disk, which survives anything.
            process.kill() if self._lasting else process.terminate()
            process.wait()
        with self._lock:
            for lock in self._mine.values():
                lock.release()
            self._mine.clear()

    # ------------------------------------------------------------ within the lock

    def _job(self, name: str) -> ReplayJob:
        job = self._jobs.get(name)
        if job is None:
            known = ", ".join(reversed(self._jobs)) or "none"
            raise InputError(f"there is no replay {name}", cure=f"those there are: {known}")
        return job

    def _next(self) -> None:
        """Begin those whose turn it is."""
        at_once = MOST_RUNNING if self._at_once is None else self._at_once
        for name, job in list(self._jobs.items()):
            if self._closing or len(self._processes) >= at_once:
                return
            if job.state == "waiting" and name not in self._elsewhere:
                try:
                    self._begin(name, job)
                except WatchkeeperError as refused:
                    # A recording or a policy may have gone since it was asked for.
                    ended = structs.replace(
                        job, state="failed", ended_us=self._now_us(), error=refused.message
                    )
                    self._jobs[name] = ended
                    self._over(ended)

    def _begin(self, name: str, job: ReplayJob) -> None:
        asked = Asked(
            recording=self._recording(job.wish.recording),
            policy=self._policy_folder(job.wish.policy),
            against=self._policy_folder(job.wish.against) if job.wish.against else None,
            folder=self._folder / name,
        )
        told = msgspec.json.encode(asked, enc_hook=str).decode()
        process = subprocess.Popen(  # noqa: S603 - our own program, with a recording and policies of this machine
            [sys.executable, "-m", "simulator.job_worker", told],
            # The worker ends when this pipe does: with us, however we end.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._processes[name] = process
        self._jobs[name] = structs.replace(job, state="running")
        hear = threading.Thread(target=self._listen, args=(name, process), name=f"replay-{name}", daemon=True)
        hear.start()

    def _listen(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        """Hear what a worker says until it ends."""
        told = Told()
        if process.stdout is None:
            return
        with process.stdout, process.stdin or contextlib.nullcontext():
            for line in process.stdout:
                with contextlib.suppress(msgspec.DecodeError):
                    told = msgspec.json.decode(line, type=Told)
                    with self._lock:
                        self._is_at(name, told)
        status = process.wait()
        with self._lock:
            del self._processes[name]
            job = self._jobs.get(name)
            if job is not None and job.state == "running" and not (self._closing and self._lasting):
                report = self._folder / name / _REPORT
                well = status == 0 and bool(told.summary)
                self._jobs[name] = job = structs.replace(
                    job,
                    state="done" if well else "failed",
                    ended_us=self._now_us(),
                    share=1.0 if well else job.share,
                    summary=told.summary,
                    report=report if well and report.exists() else None,
                    error="" if well else told.error or f"its process ended with status {status}",
                )
                self._over(job)
            self._next()

    def _is_at(self, name: str, told: Told) -> None:
        """Note how far one is."""
        job = self._jobs.get(name)
        if job is None or job.state not in _OPEN:
            return
        self._jobs[name] = job = structs.replace(job, share=told.share, decisions=told.decisions)
        if name in self._mine and told.share - self._written.get(name, 0.0) >= _WRITTEN_EACH:
            self._written[name] = told.share
            with contextlib.suppress(WatchkeeperError):
                self._write(job)

    def _over(self, job: ReplayJob) -> None:
        """Keep how one ended."""
        with contextlib.suppress(WatchkeeperError):
            self._write(job)
        self._written.pop(job.name, None)
        if (lock := self._mine.pop(job.name, None)) is not None:
            lock.release()

    # ------------------------------------------------------------ names and files

    def _recording(self, name: str) -> Path:
        path = self._bundled.get(name)
        if path is None and _NAME.fullmatch(name) and name in self.recordings():
            path = self._recordings / f"{name}.wkr"
        if path is None:
            known = ", ".join(self.recordings()) or f"none; put one into {self._recordings}"
            raise InputError(f"there is no recording {name!r}", cure=f"those there are: {known}")
        with storage_errors(path):
            size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(
                f"it holds {size >> 20:,} MiB, and {MOST_BYTES >> 20} may be replayed from here",
                place=name,
                cure=f"watchkeeper replay {path}",
            )
        return path

    def _policy_folder(self, name: str) -> Path:
        if name in {"", IN_FORCE}:
            return self._policy
        if self._drafts is not None and _NAME.fullmatch(name) and (self._drafts / name).is_dir():
            return self._drafts / name
        if name not in self.policies():
            known = ", ".join(self.policies()) or f"none; put a folder into {self._policies}"
            raise InputError(f"there is no policy {name!r}", cure=f"those there are: {known}")
        return self._policies / name

    def _remember(self) -> None:
        """Know the jobs of processes before this one, and of others, in the order they were asked for."""
        for path in self._folder.glob(f"*/{_JOB}"):
            if (job := _read(path)) is None:
                continue
            if job.state in _OPEN:
                job = self._taken_over(job)
            self._jobs[job.name] = job
        self._jobs = OrderedDict(sorted(self._jobs.items(), key=lambda each: each[1].begun_us))
        self._forget()

    def _taken_over(self, job: ReplayJob) -> ReplayJob:
        """Make an open job of a process before this one ours, if it lasts and nobody else has it."""
        if self._lasting:
            with contextlib.suppress(JournalBusy):
                self._mine[job.name] = self._lock_of(job.name)
                # Read anew: whoever had it may have ended it a moment ago.
                job = _read(self._folder / job.name / _JOB) or job
                return structs.replace(job, state="waiting") if job.state in _OPEN else job
        self._elsewhere.add(job.name)
        return job

    def _look_elsewhere(self) -> None:
        """Read anew how far those of other processes are, and what others asked for meanwhile."""
        for path in self._folder.glob(f"*/{_JOB}"):
            name = path.parent.name
            if name in self._elsewhere or name not in self._jobs:
                job = _read(path)
                if job is not None:
                    self._jobs[name] = job
                    (self._elsewhere.add if job.state in _OPEN else self._elsewhere.discard)(name)

    def _lock_of(self, name: str) -> WriterLock:
        return WriterLock(str(self._folder / name / "job"))

    def _forget(self) -> None:
        """Let the oldest go that are over."""
        over = [name for name, job in self._jobs.items() if job.state not in _OPEN]
        for name in over[: max(0, len(self._jobs) - MOST_KEPT)]:
            del self._jobs[name]
            for path in (self._folder / name).glob("*"):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                (self._folder / name).rmdir()

    def _write(self, job: ReplayJob) -> None:
        with atomic_write(self._folder / job.name / _JOB) as file:
            file.write(json.dumps(msgspec.to_builtins(job, enc_hook=str)).encode() + b"\n")


def _read(path: Path) -> ReplayJob | None:
    """Read a record; `None` when it is gone or broken."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=ReplayJob, dec_hook=_path)
    return None


def _path(kind: type[Path], value: str) -> Path:
    return kind(value)
