"""Summary: what a replay came to, in figures that a person, a script or a check in CI can read.

Every figure is the answer to a query on the results file, so anybody can derive it again, and memory stays
flat however long the recording was.
"""

import shlex
from typing import Final, Literal, cast

import msgspec
import sqlite_utils
from msgspec import Struct

from engine.core.kpis.standing import KpiStanding
from engine.core.state import State
from engine.core.vocabulary.facts import Limit
from engine.core.vocabulary.verdicts import RULING_RANK
from simulator.better import Better, better
from simulator.compare import Differences, Reproduced, differences, recorded_verdicts
from simulator.plain import when_text
from simulator.replay.driver import ReplayEnd, TrackEnd
from simulator.replay.results import Run
from simulator.score import Score, score
from simulator.stored import verdicts_of

# A rule's owner and a sample of its reasons are read from a stored verdict, which costs a block each.
_MOST_SAMPLED: Final = 100
# An agent that makes up action names makes up the names of the rules that refuse them, without end.
_MOST_RULES: Final = 500
_MOST_WAITS: Final = 50
_MOST_REASON: Final = 500


class Words(Struct, frozen=True, kw_only=True):
    """Decisions by word."""

    allow: int
    hold: int
    deny: int


class Costs(Struct, frozen=True, kw_only=True):
    """Estimated cost of what was proposed, US dollars, by the word it got."""

    allowed: float
    held: float
    denied: float


class RuleSummary(Struct, frozen=True, kw_only=True):
    """One rule, limit or threshold that objected to something."""

    gate: str
    rule: str
    ruling: Literal["escalate", "consensus", "deny"]
    decisions: int
    """Decisions it objected to."""
    deciding: int
    """Those among them in which it was the strictest voice, and is named in the verdict."""
    owner: str
    """The role that may change it."""
    example: str
    """A decision id."""
    reason: str
    """What it said there."""


class WaitSummary(Struct, frozen=True, kw_only=True):
    """What decisions still wait for when the recording ends."""

    kind: Literal["person", "votes", "resume"]
    role: str
    needed: int
    of: int | None
    decisions: int


class TrackSummary(Struct, frozen=True, kw_only=True):
    """What one policy came to."""

    policy: str
    """Its folder, as it was given."""
    policy_hash: str
    journal_hash: str
    state_hash: str
    words: Words
    shadowed: int
    """Decided and logged, but not to be executed: the capability is in shadow."""
    executed: int
    """Allowed and not shadowed."""
    costs: Costs
    rules: list[RuleSummary]
    """Most decisions first, and no more than 500."""
    rules_in_all: int
    waiting: int
    """Held decisions nobody has answered, and whose time is not over, when the recording ends."""
    waits: list[WaitSummary]
    """What they wait for; one decision may wait for several things."""
    limits: list[Limit]
    """The rate limits in force."""
    kpis: list[KpiStanding] = []
    """How the KPIs stand at the end; empty where nobody asked for them."""


class SpanSummary(Struct, frozen=True, kw_only=True):
    """Times, ISO 8601 in UTC. `None` is an end left open, or a recording without decisions."""

    from_at: str | None
    until_at: str | None
    first_decision_at: str | None
    last_decision_at: str | None


class Summary(Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    recording: str
    source: str
    """The kind of history: the name of an importer, or of a generator."""
    content_sha256: str
    notes: list[str]
    """What must be known to trust the facts, as the recording says it."""
    rows_of_source: int | None
    """Rows, lines or records of the imported source; `None` when nothing was imported."""
    span: SpanSummary
    finished: bool
    """Whether all of it was replayed; otherwise somebody stopped it."""
    kinds: dict[str, int]
    """Facts by kind."""
    facts: int
    decisions: int
    words: Words
    """Of the first policy, as are the shadowed ones."""
    shadowed: int
    seconds: float
    """Of this run alone, as are the rates."""
    facts_per_s: float | None
    decisions_per_s: float | None
    command: str
    """What replays it again."""
    example: str
    """The id of a decision worth a look; empty where nothing was decided."""
    tracks: list[TrackSummary]
    score: Score | None
    """Of the first policy; `None` when nothing is labelled."""
    other_score: Score | None
    """Of the second policy."""
    differences: Differences | None
    """`None` unless two policies were replayed."""
    better: Better | None
    """Which policy is right where two disagree; `None` for one alone, and where nothing is labelled."""
    recorded_verdicts: Reproduced | None
    """`None` unless the recording is a journal of our own."""


def summarise(
    db: sqlite_utils.Database,
    run: Run,
    end: ReplayEnd,
    rows_of_source: int | None = None,
    *,
    notes: tuple[str, ...] = (),
) -> Summary:
    """Sum up a replay from its results file, finished or stopped half-way.

    `rows_of_source` and `notes` are what the recording's footer and header say.
    """
    # 64 MB for pages and sorting, whatever the length of the recording: what is longer is sorted on disk.
    for pragma in ("cache_size = -65536", "threads = 2"):
        db.conn.execute(f"PRAGMA {pragma}")
    first_us, last_us = db.execute("select min(at_us), max(at_us) from decisions").fetchone()
    tracks = [_track(db, position, track) for position, track in enumerate(end.tracks)]
    whole = end.finished and run.from_us is None and run.until_us is None
    words, scored = tracks[0].words, score(db, whole=whole)
    found = differences(db) if len(tracks) > 1 else None
    return Summary(
        recording=run.recording,
        source=run.source,
        content_sha256=run.content_sha256,
        notes=list(notes),
        rows_of_source=rows_of_source,
        span=SpanSummary(
            from_at=_time(run.from_us),
            until_at=_time(run.until_us),
            first_decision_at=_time(first_us),
            last_decision_at=_time(last_us),
        ),
        finished=end.finished,
        kinds=end.kinds,
        facts=sum(end.kinds.values()),
        decisions=words.allow + words.hold + words.deny,
        words=words,
        shadowed=tracks[0].shadowed,
        seconds=end.seconds,
        facts_per_s=_rate(end.facts_this_run, end.seconds),
        decisions_per_s=_rate(end.decisions_this_run, end.seconds),
        command=_command(run, scored=scored is not None),
        example=_example(db, tracks[0], found),
        tracks=tracks,
        score=scored,
        other_score=score(db, 1, whole=whole) if len(tracks) > 1 else None,
        differences=found,
        better=better(db) if len(tracks) > 1 else None,
        recorded_verdicts=recorded_verdicts(db),
    )


def to_json(summary: Summary) -> bytes:
    """Write a summary as JSON, indented, with an end of line."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"


def from_json(body: bytes) -> Summary:
    """Read what `to_json` wrote. Raises `msgspec.ValidationError` naming the field that is wrong."""
    return msgspec.json.decode(body, type=Summary)


def _track(db: sqlite_utils.Database, position: int, end: TrackEnd) -> TrackSummary:
    row = db.execute(_TOTALS, (position,)).fetchone()
    allow, hold, deny, shadowed, executed, allowed_usd, held_usd, denied_usd = (value or 0 for value in row)
    waiting, waits = _waiting(end.state)
    rules, rules_in_all = _rules(db, position)
    return TrackSummary(
        policy=end.policy,
        policy_hash=end.policy_hash,
        journal_hash=end.journal_hash,
        state_hash=end.state_hash,
        words=Words(allow=allow, hold=hold, deny=deny),
        shadowed=shadowed,
        executed=executed,
        # A sum of floats carries dust in its last digits; a millionth of a dollar is fine enough.
        costs=Costs(allowed=round(allowed_usd, 6), held=round(held_usd, 6), denied=round(denied_usd, 6)),
        rules=rules,
        rules_in_all=rules_in_all,
        waiting=waiting,
        waits=waits,
        limits=list(end.state.usage.limits),
        kpis=end.kpis.standings if end.kpis is not None else [],
    )


_TOTALS: Final = """
    select sum(word = 'allow'), sum(word = 'hold'), sum(word = 'deny'), sum(shadowed),
           sum(word = 'allow' and not shadowed),
           sum(case word when 'allow' then cost_usd end), sum(case word when 'hold' then cost_usd end),
           sum(case word when 'deny' then cost_usd end)
    from decisions where track = ?"""
_RULES: Final = """
    select gate, rule, ruling, count(*), min(seq), count(*) over () from objections where track = ?
    group by rule, gate, ruling order by 4 desc, rule, gate, ruling limit ?"""
_DECIDING: Final = "select rule, count(*) from decisions where track = ? and rule != '' group by rule"


def _rules(db: sqlite_utils.Database, track: int) -> tuple[list[RuleSummary], int]:
    rows = db.execute(_RULES, (track, _MOST_RULES)).fetchall()
    strictest: dict[str, int] = {}
    for _, rule, ruling, *_ in rows:
        strictest[rule] = max(strictest.get(rule, 0), RULING_RANK[ruling])
    deciding = {rule: count for rule, count in db.execute(_DECIDING, (track,)) if rule in strictest}
    samples = verdicts_of(db, [(track, row[4]) for row in rows[:_MOST_SAMPLED]])
    rules = []
    for gate, rule, ruling, decisions, seq, _ in rows:
        owner = example = reason = ""
        if (verdict := samples.get((track, seq))) is not None:
            answers = (*verdict.answers, *verdict.assessment.answers)
            answer = next(answer for answer in answers if (answer.gate, answer.rule) == (gate, rule))
            owner, reason, example = answer.owner, answer.reason[:_MOST_REASON], verdict.decision_id
        # One rule may rule in two ways, where its condition fails now and then; the stricter one decides.
        decides = deciding.get(rule, 0) if RULING_RANK[ruling] == strictest[rule] else 0
        rules.append(
            RuleSummary(
                gate=gate,
                rule=rule,
                ruling=ruling,
                decisions=decisions,
                deciding=decides,
                owner=owner,
                example=example,
                reason=reason,
            )
        )
    return rules, rows[0][5] if rows else 0


def _waiting(state: State) -> tuple[int, list[WaitSummary]]:
    """Count what waits in the state at the end. State keeps at most what one hold time has held."""
    counts: dict[tuple[str, str, int, int | None], int] = {}
    holds = state.holds.by_id.values()
    waiting = 0
    for hold in holds:
        if hold.until_us <= state.now_us:
            continue
        waiting += 1
        for wait in hold.waits:
            key = (wait.kind, wait.role, wait.needed, wait.of)
            counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], item[0][1], item[0][2]))
    return waiting, [
        WaitSummary(
            kind=cast("Literal['person', 'votes', 'resume']", key[0]),
            role=key[1],
            needed=key[2],
            of=key[3],
            decisions=n,
        )
        for key, n in ranked[:_MOST_WAITS]
    ]


def _example(db: sqlite_utils.Database, track: TrackSummary, found: Differences | None) -> str:
    """Prefer a decision that differs, then one that something objected to, then any."""
    if found is not None and found.groups:
        return found.groups[0].examples[0]
    if track.rules and track.rules[0].example:
        return track.rules[0].example
    first = db.execute("select decision_id from decisions where track = 0 order by seq limit 1").fetchone()
    return first[0] if first is not None else ""


def _time(at_us: int | None) -> str | None:
    return None if at_us is None else when_text(at_us)


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if seconds > 0 else None


def _command(run: Run, *, scored: bool) -> str:
    words = ["watchkeeper", "replay", run.recording, "--policy", run.policies[0]]
    if len(run.policies) > 1:
        words += ["--against", run.policies[1]]
    if run.mapping is not None:
        words += ["--mapping", run.mapping]
    if run.from_us is not None:
        words += ["--from", when_text(run.from_us)]
    if run.until_us is not None:
        words += ["--until", when_text(run.until_us)]
    if scored:
        words.append("--score")
    if run.kpis:
        words.append("--kpis")
    return shlex.join(words)
