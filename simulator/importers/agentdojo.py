"""Runs of the AgentDojo benchmark: each run an episode, each tool call a proposal.

The runs have no clock. They are laid end to end on a made-up time line that starts on 2024-06-01: a run
takes its recorded duration, its messages are spread evenly over it, at least one second apart, and the next
run starts one second after it. Limits over time windows therefore say little about such a recording.

The name of a run tells whether it was attacked. The engine must not know, so an episode is named by suite,
task and a hash of the run's name; the labels, which only scoring reads, carry the name itself.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from msgspec import UNSET

from engine.core.vocabulary.arguments import texts_of
from engine.core.vocabulary.facts import (
    EpisodeClosed,
    Fact,
    MessageObserved,
    OutcomeReported,
    ProposalReceived,
)
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EpisodeId, ProposalId
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.units import SECOND_US, parse_time
from engine.errors import RecordingError
from simulator.importers.agentdojo_labels import Labels
from simulator.importers.infer import RegistryLearner, kind_and_risk, words
from simulator.importers.lenient_json import parse_object
from simulator.importers.source import Source
from simulator.importers.summary import Summary, noted, summarize
from simulator.recording import Header, Origin, RecordingWriter

FORMAT: Final = "agentdojo"
START_US: Final = parse_time("2024-06-01T00:00:00Z")
STEP_US: Final = SECOND_US
"""The least time between two messages, and between two runs."""

MOST_COST_USD: Final = Decimal(10) ** 12
"""More than this is no amount of money but a slip, or a probe; it counts as nothing, and stays in the
arguments."""
_FINEST_COST_USD: Final = Decimal("1e-12")
_DETAIL_CHARACTERS: Final = 200
_LONGEST_RUN_US: Final = 366 * 86_400 * SECOND_US
_NOTES: Final = (
    "times are made up: runs lie end to end from 2024-06-01, messages spread evenly, at least 1 s apart",
    "the registry is inferred from the shape of the calls",
    "confidence was not recorded",
)
# How the recorded tools report failure where they have no field for it: `ValueError: no such file`.
_ERROR_TEXT: Final = re.compile(r"(?:[A-Za-z_.]*(?:Error|Exception))(?::|\b\s*\()")


class Call:
    """One tool call of a run, and what became of it."""

    __slots__ = ("args", "refused", "reply", "tool")

    def __init__(self, tool: str, args: dict[str, Any]) -> None:
        """Note the wish; the reply comes later, or never."""
        self.tool = tool
        self.args = args
        self.reply: str | None = None
        self.refused = False


class Message:
    """One message in a shape that does not depend on who recorded it."""

    __slots__ = ("answers", "calls", "role", "text")

    def __init__(self, role: str, text: str) -> None:
        """Begin without calls."""
        self.role = role
        self.text = text
        self.calls: list[tuple[int, Call]] = []
        """Tool calls made in it, with their step: their number within the run, from 0."""
        self.answers: tuple[int, Call] | None = None
        """The call a tool's message replies to; `None` when it replies to nothing we know."""


def import_agentdojo(source: Source, out: Path) -> Summary:
    """Write the recording of a file of runs, with labels when `agentdojo_actions.csv.gz` lies beside it.

    Reads the source twice: for the registry, then for the facts. Raises `RecordingError` naming the run
    when it is not understood, or when the labels do not fit the runs.
    """
    source.passes = 2
    learner = RegistryLearner()
    oddities: Counter[str] = Counter()
    for run in _runs(source, Counter()):
        for message in run.messages:
            for _, call in message.calls:
                learner.see(call.tool, call.args, refused=call.refused)
    header = Header(
        source=FORMAT,
        origin=Origin(name=source.name, sha256=source.sha256()),
        actions=learner.actions(),
        notes=_NOTES,
    )
    warnings: list[str] = []
    labels = Labels.beside(source.path)
    if labels is None:
        warnings.append(
            "no agentdojo_actions.csv.gz beside the source: the recording has no labels to score by"
        )
    with RecordingWriter(out, header) as writer:
        now_us = START_US
        for run in _runs(source, oddities):
            now_us = run.write(writer, now_us) + STEP_US
            if labels is not None:
                for label in labels.of_run(run):
                    writer.label(label)
        if labels is not None and (unused := labels.unused()):
            warnings.append(f"the labels of {unused:,} runs that are not in the source were left out")
        writer.source_rows = source.rows
    warnings += noted(oddities)
    return summarize(FORMAT, source.name, writer, warnings)


class Run:
    """One run of one model on one task, attacked or not."""

    def __init__(self, raw: dict[str, Any], *, name: str, place: str, oddities: Counter[str]) -> None:
        """Read one line of the source. `name` is the run's name, made unique."""
        self.name = name
        self.place = place
        self.run_id = str(raw["run_id"])
        self.suite = str(raw.get("suite") or "unknown")
        # An @ would be read as the start of a version.
        self.model = str(raw.get("model") or "unknown").replace("@", "-")
        self.benign = str(raw.get("attack") or "none") == "none"
        task = str(raw.get("user_task") or "task")
        digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        self.episode = EpisodeId(f"{self.suite}/{task}/{digest}")
        self.duration_us = _duration_us(raw.get("duration_s"))
        self.calls: list[Call] = []
        self.messages = [*self._read(raw.get("messages"), oddities)]

    def _read(self, raw: Any, oddities: Counter[str]) -> Iterator[Message]:
        if not isinstance(raw, list):
            oddities["runs without a list of messages"] += 1
            return
        waiting: list[tuple[int, Call]] = []
        for item in raw:
            if not isinstance(item, dict) or item.get("role") not in ("user", "assistant", "tool"):
                if not (isinstance(item, dict) and item.get("role") == "system"):
                    oddities["messages of an unknown shape, left out"] += 1
                continue
            message = Message(item["role"], _text(item.get("content")))
            if message.role == "assistant":
                for wish in item.get("tool_calls") or ():
                    call = _call(wish, oddities)
                    if call is None:
                        continue
                    message.calls.append((len(self.calls), call))
                    waiting.append((len(self.calls), call))
                    self.calls.append(call)
            elif message.role == "tool":
                error = _text(item.get("error"))
                message.text = message.text or error
                message.answers = _take(waiting, item.get("fn"))
                if message.answers is None:
                    oddities["replies of tools that nobody called"] += 1
                else:
                    call = message.answers[1]
                    call.reply = message.text
                    call.refused = bool(error) or _ERROR_TEXT.match(message.text) is not None
            yield message

    def proposal_id(self, step: int) -> ProposalId:
        """Name the call with this number within the run."""
        return ProposalId(f"{self.episode}#{step}")

    def write(self, writer: RecordingWriter, start_us: int) -> int:
        """Write the run as facts that begin at this time, and return the time it ends."""
        step_us = max(STEP_US, self.duration_us // max(1, len(self.messages)))
        at_us = start_us
        for message in self.messages:
            for fact in self._facts(message, at_us):
                writer.write(fact)
            at_us += step_us
        writer.write(EpisodeClosed(at_us=at_us, episode=self.episode))
        return at_us

    def _facts(self, message: Message, at_us: int) -> Iterator[Fact]:
        if message.text:
            source: Any = {"user": "person", "assistant": "agent", "tool": "tool"}[message.role]
            call = message.answers[1] if message.answers is not None else None
            yield MessageObserved(
                at_us=at_us,
                episode=self.episode,
                source=source,
                text=message.text,
                tool=call.tool if call is not None else UNSET,
                asked="\n".join(texts_of(call.args)) or UNSET if call is not None else UNSET,
            )
        for step, call in message.calls:
            yield ProposalReceived(
                at_us=at_us,
                proposal=Proposal(
                    proposal_id=self.proposal_id(step),
                    agent=AgentId(self.model),
                    capability=self._capability,
                    action=ActionName(call.tool),
                    args=call.args,
                    episode=self.episode,
                    impact=impact_of(call.tool, call.args),
                    rationale=message.text,
                ),
            )
        if message.answers is not None:
            step, call = message.answers
            yield OutcomeReported(
                at_us=at_us,
                proposal_id=self.proposal_id(step),
                agent=AgentId(self.model),
                capability=self._capability,
                action=ActionName(call.tool),
                ok=not call.refused,
                by="incumbent",
                detail=message.text[:_DETAIL_CHARACTERS] if call.refused else "",
            )

    @property
    def _capability(self) -> CapabilityId:
        return CapabilityId(f"{self.suite}-assistant@{self.model}")


def impact_of(tool: str, args: dict[str, Any]) -> Impact:
    """Estimate what a call touches: one API call, one file if it writes and is named so, and any `amount`.

    An amount that is no number, negative, or beyond 10^12 USD costs nothing here; the arguments keep it.

    >>> impact_of("send_money", {"amount": 98.7}).cost_usd, impact_of("delete_file", {}).files
    (Decimal('98.7'), 1)
    """
    kind, _ = kind_and_risk(tool)
    if kind == "read":
        return Impact(api_calls=1)
    files = 1 if {"file", "files"}.intersection(words(tool)) else 0
    return Impact(api_calls=1, files=files, cost_usd=_money(args.get("amount")))


def _money(amount: Any) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, int | float | str) or len(str(amount)) > 40:
        return Decimal(0)
    try:
        cost = Decimal(str(amount).strip())
        if not cost.is_finite() or not 0 <= cost <= MOST_COST_USD:
            return Decimal(0)
        # A float such as 0.1 + 0.2 has more digits than money has, and an impact keeps twelve places.
        rounded = cost.quantize(_FINEST_COST_USD).normalize()
    except InvalidOperation:
        return Decimal(0)
    return rounded.quantize(Decimal(1)) if rounded == rounded.to_integral_value() else rounded


def _runs(source: Source, oddities: Counter[str]) -> Iterator[Run]:
    seen: Counter[str] = Counter()
    for number, line in source.lines():
        place = f"{source.name} line {number}"
        raw = parse_object(line, place)
        run_id = raw.get("run_id")
        if not isinstance(run_id, str) or not run_id:
            raise RecordingError(
                "no run_id", place=place, cure="each line must be one AgentDojo run: see docs/howto"
            )
        seen[run_id] += 1
        times = seen[run_id]
        if times > 1:
            oddities["runs with the name of an earlier one"] += 1
        name = run_id if times == 1 else f"{run_id}~{times}"
        yield Run(raw, name=name, place=f"{place} run {run_id!r}", oddities=oddities)


def _call(wish: Any, oddities: Counter[str]) -> Call | None:
    if not isinstance(wish, dict):
        oddities["tool calls of an unknown shape, left out"] += 1
        return None
    inner = wish.get("function")
    if isinstance(inner, dict):
        wish, inner = inner, inner.get("name")
    tool = wish.get("fn") or inner
    args = wish.get("args", wish.get("arguments"))
    if isinstance(args, str):
        try:
            args = parse_object(args.encode(), "arguments")
        except RecordingError:
            args = {"arguments": args}
    if not isinstance(tool, str) or not tool:
        # The benchmark's own calls always have a name; a nameless one is still a call, and must be judged.
        tool = "unnamed"
        oddities["tool calls without a name"] += 1
    if not isinstance(args, dict):
        if args is not None:
            oddities["tool calls whose arguments are no object"] += 1
        args = {} if args is None else {"arguments": args}
    return Call(tool, args)


def _take(waiting: list[tuple[int, Call]], tool: Any) -> tuple[int, Call] | None:
    for position, (_, call) in enumerate(waiting):
        if call.tool == tool:
            return waiting.pop(position)
    return waiting.pop(0) if waiting and not isinstance(tool, str) else None


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        # Newer models answer in blocks.
        parts = (p if isinstance(p, str) else p.get("content") or p.get("text") for p in content if p)
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def _duration_us(seconds: Any) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return 0
    return max(0, min(_LONGEST_RUN_US, int(seconds * SECOND_US)))
