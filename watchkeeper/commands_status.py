"""`watchkeeper status` and `watchkeeper doctor`: how it is, and what to do about what is wrong."""

import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from engine.core.vocabulary.units import duration_text, percent_text, time_text
from watchkeeper.home import CONFIG_VARIABLE, home, shown

_LOOK_S: Final = 1.5
_RECENT: Final = 5
_DOCTORS: Final = {
    "discord": "watchkeeper.doctor_discord:diagnose_discord",
    "slack": "watchkeeper.doctor_slack:diagnose_slack",
    "waking": "watchkeeper.doctor_waking:diagnose_waking",
}
"""Who looks at which chat platform, and at every channel that wakes people."""
_RECORDS: Final = 20_000
"""As many are counted in half a second. The front counts too, and leaves little to do."""
_MARKS: Final = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}


@click.command()
@click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with kpis.yaml.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(config: Path | None, as_json: bool) -> None:
    """Say what runs, what is stopped, how KPIs stand, and what people were told. Works whatever is dead."""
    from watchkeeper.looking import look

    seen = look(home().resolve(), patience_s=_LOOK_S)
    kpis, said = _kpis(config)
    if as_json:
        found = msgspec.to_builtins(kpis.kpis) if kpis is not None else None
        click.echo(json.dumps(seen.plain() | {"kpis": found, "kpis_said": said}, indent=2))
    else:
        for line in [*_lines(seen), *_kpi_lines(kpis, said), *_told_lines(seen)]:
            click.echo(line)
    raise SystemExit(0 if seen.is_well else 1)


def _lines(seen: Any) -> list[str]:
    lines = [f"state     {shown(seen.home)}"]
    if seen.supervisor is None:
        lines.append("runs      no supervisor; start it with `watchkeeper up`")
    else:
        lines.append(f"runs      supervisor {seen.supervisor}{_state(seen, 'supervisor')}")
    for process in seen.processes:
        number = f"process {process.pid}{_state(seen, process.name)}"
        state = number if process.pid is not None else "not running"
        again = f", restarted {process.restarts} times" if process.restarts else ""
        last = f", last ended with {process.last_exit}" if process.last_exit else ""
        lines.append(f"          {process.name:<9} {state}{again}{last}")
    engine = seen.engine
    if engine is None:
        lines.append(f"engine    does not answer: {seen.engine_said}")
    else:
        lines.append(
            f"engine    journal at record {engine.journal_seq:,}; {engine.queued} queued, {engine.running} "
            f"under way, {engine.holds} waiting for people; policy {engine.policy_hash[:12]}"
        )
        live = ", ".join(sorted(engine.live.values())) or "nothing yet"
        lines.append(f"live      {live}")
        lines += [line for rollout in engine.rollouts for line in _rollout(rollout)]
        lines += _bodies(engine)
        lines += [f"TROUBLE   {name}: {detail}" for name, detail in sorted(engine.troubles.items())]
        if engine.draining:
            lines.append("draining  no more effects are handed out")
    lines.append(f"http      {seen.url or 'does not listen'}")
    lines += [
        f"STOPPED   {stop.scope} by {stop.by} at {time_text(stop.at_us)}"
        + (f": {stop.reason}" * bool(stop.reason))
        for stop in seen.stops
    ]
    return lines


def _told_lines(seen: Any) -> list[str]:
    return [f"told      {time_text(said.at_us)} {said.kind}: {said.text}" for said in seen.told[-_RECENT:]]


def _kpis(config: Path | None) -> tuple[Any, str]:
    """Count KPIs as far as it takes no time; return `None` and why where there are none to show."""
    from engine.errors import WatchkeeperError
    from watchkeeper.commands_kpi import count

    try:
        return count(config, most=_RECORDS), ""
    except WatchkeeperError as refused:
        return None, " ".join(str(refused).split())


def _kpi_lines(kpis: Any, said: str) -> list[str]:
    from watchkeeper.commands_kpi import shown_lines

    if said:
        return [f"kpi       {said}"]
    if kpis is None or not kpis.seq:
        return []
    if kpis.behind:
        return [f"kpi       {kpis.behind:,} records are not counted yet: watchkeeper kpi"]
    known = [kpi for kpi in kpis.kpis if kpi.word != "unknown"]
    unknown = len(kpis.kpis) - len(known)
    lines = [f"kpi       {line}" for line in shown_lines(known)]
    return [*lines, *[f"kpi       {unknown} unknown: watchkeeper kpi says why"] * bool(unknown)]


def _bodies(engine: Any) -> list[str]:
    """Say which bodies were heard of, and for which something waits."""
    lines = []
    for body in engine.bodies:
        of = f" ({', '.join(body.pools)})" if body.pools else ""
        lines.append(
            f"body      {body.name}{of}: version {body.version}, heard of {ago(body.last_us)}, "
            f"{len(body.holds)} under way"
        )
    waits = {place: count for place, count in engine.elsewhere.items() if count}
    return lines + [f"waits     {count} for body {place}" for place, count in sorted(waits.items())]


def _rollout(rollout: Any) -> list[str]:
    """Say what is on its way or held back."""
    share = f", {percent_text(rollout.share)} of episodes" if 0 < rollout.share < 1 else ""
    climbs = [f"rollout   {rollout.candidate} is in {rollout.stage}{share}"] if rollout.candidate else []
    held = [f"PAUSED    {rollout.name} by {by}: {reason}" for reason, by in rollout.paused.items()]
    return climbs + held


def _state(seen: Any, name: str) -> str:
    """Say what is the matter with a process; nothing when it runs."""
    return {"still": " STANDS STILL, stopped by a signal", "gone": " IS GONE"}.get(seen.states.get(name), "")


@click.command()
@click.argument("what", type=click.Choice(["all", *_DOCTORS]), default="all")
@click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with watchkeeper.yaml.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(what: str, config: Path | None, as_json: bool) -> None:
    """Check everything a working installation needs, and say how to mend what is wrong.

    With the name of a chat platform, check the bot there instead; with waking, ask every provider about its
    channel and every address. Ends with status 1 when something is wrong.
    """
    module, _, attribute = _DOCTORS.get(what, "watchkeeper.diagnosis:diagnose").partition(":")
    found = getattr(importlib.import_module(module), attribute)(home().resolve(), config)
    if as_json:
        click.echo(json.dumps([check.plain() for check in found], indent=2))
    else:
        for check in found:
            click.echo(f"{_MARKS[check.verdict]}  {check.what:<12} {check.said}")
            if check.cure:
                click.echo(f"                    → {check.cure}")
    raise SystemExit(1 if any(check.verdict == "bad" for check in found) else 0)


def ago(at_us: int) -> str:
    """Say how long ago a time was."""
    seconds = round(datetime.now(UTC).timestamp() - at_us / 1e6)
    return f"{duration_text(max(seconds, 0))} ago"
