"""Longer work asked for at the desk: replays, snapshots and bringing one back."""

import asyncio
from typing import Final

from engine.adapters.machine_time import now_us
from engine.commands import catalogue as c
from engine.commands.cards import clock_text, left_text
from engine.commands.model import Asker, Button, Confirm, Reply, Table, Tone
from engine.commands.tools import Tools
from engine.core.plain_text import count_text
from engine.core.vocabulary.units import SECOND_US
from engine.errors import InputError, Unreachable
from engine.ports import ReplayJob, ReplayWish, SnapshotSeen
from engine.runtime import wire

_SNAPSHOT_S: Final = 600.0
_BAR: Final = 20
_TONES: Final[dict[str, Tone]] = {"done": "good", "failed": "danger", "cancelled": "warning"}
_MOST_LINES: Final = 8


async def start(tools: Tools, asker: Asker, said: c.ReplayStart) -> Reply:
    """Begin a replay."""
    wish = ReplayWish(recording=said.recording, policy=said.policy, against=said.against, by=asker.person)
    return job_card(await asyncio.to_thread(tools.replays.start, wish))


async def status(tools: Tools, asker: Asker, said: c.ReplayStatus) -> Reply:
    """Say how far one replay is, or all."""
    if said.job:
        return job_card(tools.replays.job(said.job))
    rows = tuple(
        (job.name, job.state, f"{job.share:.0%}", job.wish.recording, job.wish.by)
        for job in tools.replays.jobs()
    )
    names = ", ".join(tools.replays.recordings()) or "none"
    return Reply(
        title=count_text(len(rows), "replays") if rows else "No replay was asked for",
        table=Table(columns=("replay", "state", "done", "recording", "by"), rows=rows) if rows else None,
        text=f"Recordings at hand: {names}",
    )


async def cancel(tools: Tools, asker: Asker, said: c.ReplayCancel) -> Reply:
    """End a replay before its time."""
    return job_card(await asyncio.to_thread(tools.replays.cancel, said.job))


async def report(tools: Tools, asker: Asker, said: c.ReplayReport) -> Reply:
    """Hand out the report of a replay."""
    job = tools.replays.job(said.job)
    if job.report is None:
        raise InputError(
            f"it has no report: it is {job.state}", place=job.name, cure="/replay status says how far"
        )
    return Reply(
        title=f"Report of {job.name}",
        tone="good",
        text=job.summary,
        file=job.report,
        private=False,
    )


async def keep_policy(tools: Tools, asker: Asker, said: c.PolicySave) -> Reply:
    """Keep a draft of a policy as a folder of its own."""
    if tools.drafts is None:
        raise InputError("policies are drafted in the web console", cure="open Policies there")
    kept = await asyncio.to_thread(tools.drafts.keep, said.draft, said.name)
    return Reply(
        title=f"Kept as {said.name}",
        tone="good",
        text=f"{kept.file} was changed in it. The policy in force is as it was: whoever looks after the "
        "machine puts this one in force, by taking its files over into the configuration.",
        footer=f"policy {kept.policy_hash[:12]}",
    )


def job_card(job: ReplayJob) -> Reply:
    """Show one replay: the same message from its beginning to its end."""
    wish = job.wish
    what = f"{wish.recording} under {wish.policy or 'the policy in force'}"
    what += f", against {wish.against}" if wish.against else ""
    full = round(job.share * _BAR)
    text = [what, f"{'█' * full}{'░' * (_BAR - full)} {job.share:.0%}, {job.decisions:,} decisions"]
    if job.summary:
        text += job.summary.splitlines()[:_MOST_LINES]
    if job.error:
        text.append(job.error)
    seconds = max(0, ((job.ended_us or now_us()) - job.begun_us) // SECOND_US)
    open_still = job.state in {"waiting", "running"}
    buttons = []
    if open_still:
        buttons.append(Button(label="Cancel", line=f"replay cancel {job.name}", style="danger"))
    if job.report is not None:
        buttons.append(Button(label="Report", line=f"replay report {job.name}"))
    return Reply(
        title=f"Replay {job.name} is {job.state}",
        tone=_TONES.get(job.state, "plain"),
        text="\n".join(text),
        buttons=tuple(buttons),
        # One that waits looks the same all the while: messages are edited when there is something to see.
        footer=f"by {wish.by}" if job.state == "waiting" else f"by {wish.by} · {left_text(seconds)}",
        private=False,
        file=job.report,
        job=job.name if open_still else "",
    )


async def snapshot(tools: Tools, asker: Asker, said: c.Snapshot) -> Reply:
    """Take a snapshot now."""
    saved = await tools.ask(wire.TakeSnapshot(), wire.Saved, timeout_s=_SNAPSHOT_S)
    return Reply(
        title=f"Saved: {saved.snapshot_id}",
        tone="good",
        fields=(("Files", f"{saved.files:,}"), ("Size", _size(saved.size_bytes))),
        private=False,
    )


async def before_restore(tools: Tools, asker: Asker, said: c.Restore) -> Confirm:
    """Say what would change."""
    found, changes = await asyncio.to_thread(tools.shelf.preview, said.snapshot_id)
    return Confirm(
        title=f"Restore {found.snapshot_id}?",
        text="\n".join((_taken(found), *changes, "A snapshot of the present is taken first.")),
        yes="Restore",
    )


async def restore(tools: Tools, asker: Asker, said: c.Restore) -> Reply:
    """Bring the workspace back."""
    restored, done = await asyncio.to_thread(tools.shelf.restore, said.snapshot_id, asker.person)
    key = f"restored:{restored.snapshot_id}:{restored.at_us}"
    footer = ""
    try:
        await tools.ask(wire.Tell(key=key, fact=restored), wire.Done)
    except Unreachable:
        footer = "The engine does not answer; it is noted, and journaled when the engine starts again."
    else:
        await asyncio.to_thread(tools.shelf.journaled, restored)
    return Reply(
        title="Restored",
        tone="warning" if footer else "good",
        text="\n".join(done),
        fields=(("By", asker.person),),
        footer=footer,
        private=False,
    )


def _taken(found: SnapshotSeen) -> str:
    at = clock_text(found.created_us)
    return f"Taken {at}: {found.files:,} files, {_size(found.size_bytes)}."


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
