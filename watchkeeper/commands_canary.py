"""Rollouts from the terminal: canary, shadow and rollout."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from engine.commands.steering import told
from engine.core.statistics.intervals import Interval
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import CapabilityId, CapabilityName, capability_name
from engine.core.vocabulary.rollouts import ORDER, SHARES, Evidence, Requirement, RolloutPlan
from engine.core.vocabulary.units import SECOND_US, duration_text, percent_text, time_text
from engine.core.work.rollout.evidence import number_text
from engine.core.work.rollout.evidence import shown as requirement_text
from engine.core.work.rollout.showing import RolloutShown
from engine.errors import InputError, Unreachable
from engine.runtime import wire
from engine.wiring import SHIPPED_POLICY
from watchkeeper.commands_override import ask_engine, captain, state_folder
from watchkeeper.home import default_journal
from watchkeeper.tables import Part, show, table

TOLD: Final = (
    f.CapabilityReplayed,
    f.StageChanged,
    f.PromotionRefused,
    f.PromotionReady,
    f.RolloutPaused,
    f.RolloutResumed,
    f.RolloutAborted,
    f.CapabilityPromoted,
    f.CapabilityDemoted,
)
_MARK: Final = {True: "ok  ", False: "MISS"}
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_WHY = click.option("--reason", required=True, help="Why, for the journal.")


@click.group()
def canary() -> None:
    """Watch and steer rollouts: replay, shadow, 1, 10, 50 and 100 % of episodes, each step on evidence."""


@canary.command("status")
@click.argument("capability", required=False)
@_JSON
def status(capability: str | None, as_json: bool) -> None:
    """Say how one rollout stands, or all: the stage, what the next step asks for, what is there."""
    rollouts = _rollouts(capability)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(rollouts), indent=2))
        return
    if not rollouts:
        click.echo("no capability is live or on its way; see `watchkeeper rollout plan NAME`")
    for shown in rollouts:
        show(standing_parts(shown))


@canary.command("promote")
@click.argument("capability")
@_WHY
@_JSON
def promote(capability: str, reason: str, as_json: bool) -> None:
    """Ask for the next step of NAME@VERSION. Takes a captain, and evidence.

    Refused, with status 1, while the evidence does not carry it; what is missing is said.
    """
    layout = state_folder()
    request = wire.Promote(capability=CapabilityId(capability), by=captain(layout), reason=reason)
    stepped = ask_engine(layout, request, wire.Stepped)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(stepped), indent=2))
    else:
        for line in step_lines(stepped):
            click.echo(line)
    raise SystemExit(0 if stepped.moved else 1)


@canary.command("abort")
@click.argument("capability")
@_WHY
def abort(capability: str, reason: str) -> None:
    """Take away the authority of the version on its way or, without one, of the live one. Takes a captain."""
    layout = state_folder()
    name = capability_name(CapabilityId(capability))
    stepped = ask_engine(layout, wire.Abort(capability=name, by=captain(layout), reason=reason), wire.Stepped)
    for line in step_lines(stepped):
        click.echo(line)


@canary.command("pause")
@click.argument("capability")
@_WHY
def pause(capability: str, reason: str) -> None:
    """Hold a rollout where it is, and its work with the incumbent. Takes a responder."""
    layout = state_folder()
    name = capability_name(CapabilityId(capability))
    by = captain(layout, "responder")
    ask_engine(layout, wire.PauseRollout(capability=name, by=by, reason=reason), wire.Done)
    click.echo(f"{name} is paused: {reason}")
    (shown,) = _rollouts(name)
    if shown.live is None and shown.candidate is None:
        click.echo(f"no version of {name} is live or on its way: it is held from when one is")


@canary.command("resume")
@click.argument("capability")
@click.option("--reason", default="", help="The reason to lift. [default: all that hold it]")
def resume(capability: str, reason: str) -> None:
    """Lift one reason that holds a rollout, or all. Takes a responder."""
    layout = state_folder()
    name = capability_name(CapabilityId(capability))
    by = captain(layout, "responder")
    ask_engine(layout, wire.ResumeRollout(capability=name, by=by, reason=reason), wire.Done)
    click.echo(f"{name} goes on")


@canary.command("history")
@click.argument("capability")
@click.option("--journal", type=click.Path(path_type=Path), help="Look in this journal instead.")
@_JSON
def history(capability: str, journal: Path | None, as_json: bool) -> None:
    """Show every step of a capability's rollouts, with its evidence. Needs no engine."""
    from engine.adapters.journal_reader import SqliteReader
    from engine.runtime.loop import fact_of

    name = capability_name(CapabilityId(capability))
    path = journal or default_journal()
    if not path.exists():
        raise InputError("no such journal", place=str(path), cure="give one with --journal")
    with SqliteReader(path) as reader:
        found: list[tuple[int, Any]] = [
            (record.seq, fact)
            for record in reader.read()
            if isinstance(fact := fact_of(record), TOLD)
            and capability_name(CapabilityId(fact.capability)) == name
        ]
    if as_json:
        told = [{"seq": seq} | msgspec.to_builtins(fact) for seq, fact in found]
        click.echo(json.dumps(told, indent=2))
        return
    if not found:
        click.echo(f"{name} never had a rollout in {path}")
        return
    show(history_parts(found))


@click.group()
def shadow() -> None:
    """Look at what shadow decisions are worth."""


@shadow.command("report")
@click.argument("capability")
@_JSON
def report(capability: str, as_json: bool) -> None:
    """Say where a version in shadow and its incumbent differ, and how much of that is noise."""
    (shown,) = _rollouts(capability)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(shown), indent=2))
        return
    show(shadow_parts(shown))


@click.group()
def rollout() -> None:
    """Plan rollouts, and hand in what a replay shows."""


@rollout.command("plan")
@click.argument("capability")
@click.option(
    "--policy",
    type=click.Path(path_type=Path, file_okay=False),
    help="Policy folder. [default: what the running engine has, or else would]",
)
@_JSON
def plan(capability: str, policy: Path | None, as_json: bool) -> None:
    """Say step by step what a capability has to show before it gets more authority."""
    name = capability_name(CapabilityId(capability))
    found = _planned(name, policy)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found.plan), indent=2))
        return
    for line in plan_lines(name, found.plan, found.established):
        click.echo(line)


@rollout.command("replayed")
@click.argument("capability")
@click.argument("source")
@click.option("--as", "other", help="Count the decisions of this version as its own.")
@click.option(
    "--policy", type=click.Path(path_type=Path, file_okay=False), help="Policy folder to replay under."
)
@_JSON
def replayed(capability: str, source: str, other: str | None, policy: Path | None, as_json: bool) -> None:
    """Replay SOURCE, and hand in what NAME@VERSION would have done in it. Takes a captain.

    SOURCE is a recording, or FORMAT:FILE as for `watchkeeper replay`. With a good replay the rollout begins,
    in shadow.
    """
    from watchkeeper.replayed import evidence_of

    if "@" not in capability:
        raise InputError("name the version too", place=capability, cure="such as heal@2")
    layout = state_folder()
    by = captain(layout)
    fact = evidence_of(CapabilityId(capability), CapabilityId(other or capability), source, policy, str(by))
    told = ask_engine(layout, wire.TellReplay(fact=fact, by=by), wire.Replayed)
    if as_json:
        click.echo(
            json.dumps({"fact": msgspec.to_builtins(fact), "begun": told.begun, "stage": told.now}, indent=2)
        )
    else:
        click.echo(
            f"{fact.decisions:,} decisions of {other or capability}: {fact.allowed:,} allowed, of which "
            f"{fact.failed:,} had ended badly and {fact.unsafe:,} were labelled harmful"
        )
        click.echo(
            f"{capability} is in {told.now}"
            if told.begun
            else f"no rollout began; {capability} is {told.now}"
        )
    raise SystemExit(0 if told.begun else 1)


# ---------------------------------------------------------------- words


def _rollouts(capability: str | None) -> tuple[RolloutShown, ...]:
    name = capability_name(CapabilityId(capability)) if capability else None
    return ask_engine(state_folder(), wire.GetRollouts(capability=name), wire.RolloutList).rollouts


def _planned(name: CapabilityName, policy: Path | None) -> wire.Planned:
    """Ask the engine, which may run on another folder than the usual one; read a folder where none runs."""
    from engine.wiring import build_policy, config_folder, read_policy

    layout = state_folder()
    if policy is None:
        with suppress(Unreachable):
            return ask_engine(layout, wire.GetPlan(capability=name), wire.Planned)
    folder = policy or config_folder(layout.home) / "policies"
    settings = build_policy(read_policy(folder if folder.exists() else SHIPPED_POLICY)).rollouts
    return wire.Planned(plan=settings.plan_of(name), established=settings.established_as(name))


def standing_parts(shown: RolloutShown) -> list[Part]:
    """Say how one rollout stands."""
    live = shown.live or "people (nothing is live)"
    if shown.candidate is None or shown.candidate == shown.live:
        lines: list[Part] = [
            f"{shown.name}: {live} is live" if shown.live else f"{shown.name}: nothing is live"
        ]
    else:
        share = f", {percent_text(shown.share)} of episodes" if shown.share else ""
        lines = [f"{shown.name}: {shown.candidate} is in {shown.stage}{share}; incumbent: {live}"]
    lines += [f"  PAUSED by {by}: {reason}" for reason, by in shown.paused.items()]
    if shown.confounded:
        lines.append(f"  WARNING: {shown.confounded}")
    evidence = shown.evidence
    if evidence is None:
        return lines
    lines.append(f"  since {time_text(evidence.since_us)}")
    if shown.stage == "shadow":
        lines.append(f"  compared {evidence.compared:,} episodes, agreed in {evidence.agreed:,}")
    else:
        lines += _arms(shown, evidence)
    lines += _requirement_table(evidence.requirements)
    lines.append(f"  says {shown.says}" + (f" to {shown.next_stage}" if shown.says == "advance" else ""))
    lines += [f"  {line}" for line in _likely(shown.likely_us)]
    return lines


def step_lines(stepped: wire.Stepped) -> list[str]:
    """Say what became of the wish for a step."""
    if stepped.moved:
        moved = f"{stepped.capability} went from {stepped.was} to {stepped.now}"
        return [moved, *_warned(stepped.confounded)]
    return [
        f"refused: {stepped.capability} stays in {stepped.was}: {stepped.reason}",
        *_requirement_lines(stepped.evidence.requirements),
        *_likely(stepped.likely_us),
        *_warned(stepped.confounded),
    ]


def _warned(confounded: str) -> list[str]:
    return [f"WARNING: {confounded}"] if confounded else []


def shadow_parts(shown: RolloutShown) -> list[Part]:
    """Say where a version in shadow and its incumbent differ."""
    evidence = shown.evidence
    if evidence is None or shown.stage != "shadow":
        return [f"{shown.name}: nothing is in shadow (stage {shown.stage})"]
    differed = evidence.compared - evidence.agreed
    both = f"{shown.candidate} beside {shown.live or 'people'}"
    lines: list[Part] = [
        f"{both}: {evidence.compared:,} episodes compared, {_part(differed, evidence.compared)} differ"
    ]
    if shown.twins:
        lines.append(
            f"the incumbent ran twice in {shown.twins:,} and differed from itself in "
            f"{_part(shown.twins - shown.twins_agreed, shown.twins)}: that much is noise"
        )
    elif shown.live:
        lines.append(f"nobody knows how much of that is noise: run the incumbent twice, as {shown.live}+twin")
    else:
        lines.append("nobody knows how much of that is noise: people cannot be run twice")
    if shown.disagreements:
        rows = [
            (f"{each.episodes:,}", f"{each.failures:,}", each.reason, each.example)
            for each in shown.disagreements
        ]
        columns = ("episodes", "went wrong", "how they differ", "such as")
        lines.append(table(columns, rows, numbers=columns[:2]))
    held = shown.held_back
    if held is not None and held.went_wrong + held.went_well:
        lines.append(
            f"it would have held back where the incumbent acted: {held.went_wrong:,} of those went wrong, "
            f"{held.went_well:,} went well; e-value that holding back is right {held.better:.3g}, wrong "
            f"{held.worse:.3g}"
        )
    return lines + _requirement_table(evidence.requirements)


def history_parts(found: Sequence[tuple[int, Any]]) -> list[Part]:
    """Show each step with its evidence, the oldest first."""
    rows = []
    for seq, fact in found:
        evidence: Evidence | None = getattr(fact, "evidence", None)
        what, by, why = told(fact)
        rows.append((time_text(fact.at_us), f"{seq:,}", what, by, why))
        rows += [
            ("", "", "", _MARK[each.met].strip(), f"{each.name} {requirement_text(each)}")
            for each in (evidence.requirements if evidence is not None else ())
        ]
    return [table(("when", "record", "what", "by", "why, and on what evidence"), rows, numbers=("record",))]


def plan_lines(name: CapabilityName, plan: RolloutPlan, established: Sequence[CapabilityId]) -> list[str]:
    """Say step by step what a plan asks for."""
    days, hours = duration_text(plan.shadow_us / SECOND_US), duration_text(plan.horizon_us / SECOND_US)
    what = "action and arguments" if plan.compare == "arguments" else "action"
    asked = (
        "as soon as the evidence is there"
        if plan.automatic
        else "when a captain asks and the evidence is there"
    )
    failing, age = percent_text(plan.failure_share), duration_text(plan.replay_age_us / SECOND_US)
    replay = f"at least {plan.replay_decisions:,} of its decisions, none labelled harmful"
    replay += f", at most {failing} failed, no older than {age}"
    pairs = (
        f"{days}, {plan.shadow_episodes:,} episodes, and evidence that it agrees with the incumbent ({what})"
    )
    lines = [
        f"{name}: {', '.join(established) + ' is established' if established else 'nothing is established'}",
        f"replay    {replay if plan.replay_decisions else 'none is asked for'}",
        f"shadow    {pairs} in more than {percent_text(plan.agreement)} of them",
    ]
    for stage, ratio in zip(SHARES, plan.ratios, strict=True):
        following = ORDER[ORDER.index(stage) + 1]
        until = f"{plan.canary_episodes:,} are judged and failing {ratio:g} times as often is ruled out"
        lines.append(f"{stage:<9} {percent_text(SHARES[stage])} of episodes, until {until}; then {following}")
    lines += [
        f"steps     {asked}; each wrong end has a probability of {percent_text(plan.alpha)} at most",
        f"outcomes  an episode is judged {hours} after its first decision; without an outcome it failed",
        f"assigned  by {plan.unit}",
    ]
    back = f"at once on evidence of harm, on more than {failing} failing, and more than beside it"
    back += "".join(f", on {each.series} over {each.above:g}" for each in plan.guardrails)
    back += f", on the first {' or '.join(plan.never)}" if plan.never else ""
    back += "; what it did is taken back" if plan.undo_on_rollback else ""
    return [*lines, f"back      {back}"]


def _arms(shown: RolloutShown, evidence: Evidence) -> list[Part]:
    """Count both arms, and say what their true rates may be."""
    rates = shown.rates
    sure = percent_text(rates.confidence) if rates is not None else ""
    arms = (
        ("canary", evidence.canary, evidence.canary_missing, evidence.explored_canary),
        ("control", evidence.control, evidence.control_missing, evidence.explored_control),
    )
    rows = [
        (
            arm,
            f"{tally.episodes:,}",
            f"{tally.failures:,}",
            f"{missing:,}",
            _percents(getattr(rates, arm)) if rates is not None and tally.episodes else "",
            f"{explored.failures:,} of {explored.episodes:,}" if explored.episodes else "",
        )
        for arm, tally, missing, explored in arms
    ]
    columns = ["arm", "episodes", "failed", "missing", f"fails, with {sure}", "explored, failed"]
    used = len(columns) if any(row[-1] for row in rows) else len(columns) - 1
    found: list[Part] = [table(columns[:used], [row[:used] for row in rows], numbers=columns[1:4])]
    ratio = rates.ratio if rates is not None else None
    if ratio is not None and (ratio.estimate is not None or ratio.high is not None):
        high = "any number of" if ratio.high is None else f"{ratio.high:.2g}"
        found.append(f"  canary fails {ratio.low:.2g} to {high} times as often as control, with {sure}")
    return found


def _requirement_table(requirements: Sequence[Requirement]) -> list[Part]:
    rows = [
        (_MARK[each.met].strip(), each.name, number_text(each.measured), number_text(each.needed))
        for each in requirements
    ]
    columns = ("", "asked for", "measured", "needed")
    return [table(columns, rows, numbers=columns[2:])] if rows else []


def _requirement_lines(requirements: Sequence[Requirement]) -> list[str]:
    return [
        f"{_MARK[each.met]}  {each.name}: {number_text(each.measured)}, needed {number_text(each.needed)}"
        for each in requirements
    ]


def _percents(interval: Interval) -> str:
    high = 1.0 if interval.high is None else interval.high
    return f"{100 * interval.low:.1f} to {100 * high:.1f} %"


def _likely(at_us: int | None) -> list[str]:
    return [f"at this pace it may be there at {time_text(at_us)}"] if at_us is not None else []


def _part(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else "0"
