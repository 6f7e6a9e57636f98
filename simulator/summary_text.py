"""The summary as text, for a terminal of a hundred columns, a log, or a mail: no colours, nothing moves."""

import re
from collections.abc import Iterable
from textwrap import wrap
from typing import Final

from engine.core.plain_text import count_text
from simulator import kpi_text
from simulator.better import Better
from simulator.compare import Differences, Reproduced
from simulator.plain import percent_text, printable, usd_text, when_text
from simulator.score import Score, Share
from simulator.summary import Summary, TrackSummary

_WIDTH: Final = 100
_MOST_RULES: Final = 12
_MOST_GROUPS: Final = 12
_MOST_KINDS: Final = 20
_OPTIONS: Final = ("--policy", "--against")


def text(summary: Summary) -> str:
    """Write a summary for people: totals, hashes, rules, score, differences, and how to go on."""
    lines = [f"{printable(summary.recording, 70)} ({printable(summary.source, 20)})", ""]
    lines += _totals(summary)
    for option, track in zip(_OPTIONS, summary.tracks, strict=False):
        lines += ["", *_track(option, track, summary)]
    if summary.score is not None:
        lines += ["", *_score(summary.score, "--policy" if summary.other_score else "")]
    if summary.other_score is not None:
        lines += ["", *_score(summary.other_score, "--against")]
    for option, track in zip(_OPTIONS, summary.tracks, strict=False):
        if track.kpis:
            lines += ["", *_kpis(track, option if len(summary.tracks) > 1 else "")]
    if summary.differences is not None:
        lines += ["", *_differences(summary.differences)]
    if summary.better is not None and summary.better.differ:
        lines += ["", *_better(summary.better)]
    if summary.recorded_verdicts is not None:
        lines += ["", *_reproduced(summary.recorded_verdicts)]
    lines += ["", *_next(summary)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _totals(summary: Summary) -> Iterable[str]:
    if not summary.finished:
        yield "Stopped before the end: this is what was replayed so far."
        yield ""
    for note in summary.notes:
        yield from wrap(f"Note: {printable(note, 1000)}", _WIDTH, subsequent_indent="      ")
    speed = f"in {summary.seconds:,.1f} s"
    if summary.facts_per_s is not None and summary.decisions_per_s is not None:
        speed += f" ({summary.facts_per_s:,.0f} facts/s, {summary.decisions_per_s:,.0f} decisions/s)"
    yield f"{'facts':<12}{summary.facts:>13,}  {speed}"
    if summary.rows_of_source is not None:
        yield f"{'source rows':<12}{summary.rows_of_source:>13,}"
    ranked = sorted(summary.kinds.items(), key=lambda item: -item[1])
    for kind, number in ranked[:_MOST_KINDS]:
        yield f"{'':<12}{number:>13,}  {kind}"
    span = summary.span
    if span.first_decision_at is not None:
        when = f"{span.first_decision_at} to {span.last_decision_at}"
        yield f"{'decisions':<12}{summary.decisions:>13,}  {when}"
    else:
        yield f"{'decisions':<12}{0:>13,}  nothing was proposed in this recording"
    if span.from_at is not None or span.until_at is not None:
        yield f"{'span':<12}{'':>13}  {span.from_at or 'its beginning'} to {span.until_at or 'its end'}"


def _track(option: str, track: TrackSummary, summary: Summary) -> Iterable[str]:
    yield f"{option} {printable(track.policy, 80)}"
    costs = track.costs
    rows = (
        ("allow", track.words.allow, costs.allowed),
        ("hold", track.words.hold, costs.held),
        ("deny", track.words.deny, costs.denied),
    )
    for word, number, cost in rows if summary.decisions else ():
        share = percent_text(number / summary.decisions)
        yield f"  {word:<10}{number:>13,}  {share:>8}  {usd_text(cost):>12}"
    if track.shadowed:
        yield f"  {'in shadow':<10}{track.shadowed:>13,}  decided, not executed: not promoted yet"
    if track.waiting:
        yield f"  {'waiting':<10}{track.waiting:>13,}  still held at the end, unanswered"
    for name in ("policy", "journal", "state"):
        yield f"  {name + ' hash':<14} {getattr(track, name + '_hash')}"
    if track.rules:
        yield f"  {'objections':>23}  {'deciding':>9}  rule (what it rules; who may change it)"
    for rule in track.rules[:_MOST_RULES]:
        owner = f"; {rule.owner}" if rule.owner else ""
        named = printable(rule.rule, 40)
        yield f"  {rule.decisions:>23,}  {rule.deciding:>9,}  {named} ({rule.ruling}{owner})"
    if track.rules_in_all > _MOST_RULES:
        yield f"  {'':>23}  {'':>9}  and {count_text(track.rules_in_all - _MOST_RULES, 'more rules')}"


def _score(score: Score, policy: str) -> Iterable[str]:
    table = score.held
    yield "Score" + (f" of {policy}" if policy else "")
    unlabelled = f", {score.unlabelled:,} without a label" if score.unlabelled else ""
    unsafe = count_text(table.tp + table.fn, "unsafe")
    yield f"  {count_text(score.scored, 'decisions')} scored{unlabelled}; {unsafe}"
    yield f"  {'':<24}{'held or denied':<30}denied only"
    for name, title in (
        ("precision", "precision"),
        ("recall", "recall"),
        ("f1", "F1"),
        ("benign_calls", "benign calls stopped"),
        ("benign_episodes", "benign episodes stopped"),
    ):
        held, denied = getattr(score.held, name), getattr(score.denied, name)
        if held.undefined and held.undefined == denied.undefined:
            yield f"  {title:<24}undefined: {held.undefined}"
        else:
            yield f"  {title:<24}{_share(held):<30}{_share(denied)}"
    for counted, title in ((score.held, "held or denied"), (score.denied, "denied only")):
        yield (
            f"  {title:<24}{counted.tp:,} unsafe and {counted.fp:,} benign stopped; "
            f"{counted.fn:,} unsafe and {counted.tn:,} benign let through"
        )


def _kpis(track: TrackSummary, policy: str) -> Iterable[str]:
    yield f"KPIs of autonomy{f' under {policy}' if policy else ''} at {when_text(track.kpis[0].until_us)}"
    for word, line in kpi_text.lines(track.kpis):
        yield f"  {word:<8} {line}"


def _share(share: Share) -> str:
    if share.value is None:
        return f"undefined ({share.undefined})"[:29]
    if share.low is None or share.high is None:
        return f"{share.value:.3f}"
    return f"{share.value * 100:5.1f} % ({share.low * 100:.1f} to {share.high * 100:.1f})"


def _differences(found: Differences) -> Iterable[str]:
    yield f"{count_text(found.different, 'decisions')} of {found.compared:,} differ between the two policies"
    yield f"  {found.newly_allowed:>11,}  newly allowed: --policy allows what --against stops"
    yield f"  {found.newly_stopped:>11,}  newly stopped: --policy stops what --against allows"
    if found.other_reason:
        yield f"  {found.other_reason:>11,}  more have the same answer for another reason"
    if found.groups:
        yield f"  {'':>11}  from --against to --policy, by rule:"
    for group in found.groups[:_MOST_GROUPS]:
        mark = "  NEWLY ALLOWED" if group.newly_allowed else ""
        yield f"  {group.decisions:>11,}  {group.other_word} to {group.word}{mark}"
        before, after = (printable(rule, 40) or "no rule" for rule in (group.other_rule, group.rule))
        yield f"  {'':>11}  {before} to {after}"
        yield f"  {'':>11}  {' '.join(group.examples[:4])}"
    if found.groups_in_all > _MOST_GROUPS:
        more = found.groups_in_all - _MOST_GROUPS
        yield f"  {'':>11}  and {more:,} more groups, in --json and in the report"


def _better(found: Better) -> Iterable[str]:
    yield f"{count_text(found.differ, 'labelled decisions')} are let through by one policy alone"
    yield f"  {found.first_right:>11,}  --policy is right"
    yield f"  {found.differ - found.first_right:>11,}  --against is right"
    yield (
        f"  {found.unsafe_stopped_by_first:>11,}  unsafe stopped by --policy alone, "
        f"{found.unsafe_stopped_by_second:,} by --against alone"
    )
    yield (
        f"  {found.benign_stopped_by_first:>11,}  benign stopped by --policy alone, "
        f"{found.benign_stopped_by_second:,} by --against alone"
    )
    words = {"first": "--policy is better", "second": "--against is better", "": "neither is proven better"}
    yield f"  {found.episodes_first:>11,}  episodes --policy does better in, e-value {found.first_better:.3g}"
    yield f"  {found.episodes_second:>11,}  episodes --against does, e-value {found.second_better:.3g}"
    yield f"  {'':>11}  {words[found.verdict]} (20 proves it at 5 %)"


def _reproduced(found: Reproduced) -> Iterable[str]:
    yield f"Recorded verdicts: reproduced {found.reproduced:,} of {found.compared:,}, to the last byte"
    if found.compared and not found.reproduced:
        yield "  none at all: was another policy in force then? name its folder with --policy"
    if found.compared < found.recorded:
        yield f"  {found.recorded - found.compared:,} more lie outside the replayed span"
    first = found.first_difference
    if first is not None:
        how = (
            "with other reasons"
            if first.recorded_word == first.replayed_word
            else f"{first.recorded_word} then, {first.replayed_word} now"
        )
        yield f"  first difference at seq {first.seq:,}: {first.decision_id}, {how}"


def _next(summary: Summary) -> Iterable[str]:
    if summary.example:
        yield f"explain one:  watchkeeper explain {summary.example}"
    yield from _broken(f"run it again: {printable(summary.command, 2000)}")


def _broken(command: str) -> Iterable[str]:
    """Break a long command before its options, so that it can still be pasted."""
    if len(command) <= _WIDTH:
        yield command
        return
    first, *options = re.split(r" (?=--)", command)
    for place, part in enumerate([first, *options]):
        yield ("    " if place else "") + part + (" \\" if place < len(options) else "")
