"""The labels of AgentDojo runs: one row for each tool call, joined exactly, for scoring only."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, Self

from engine.core.vocabulary.ids import EpisodeId, ProposalId
from engine.errors import RecordingError
from simulator.importers.source import Source
from simulator.recording import EpisodeLabel, Label

FILES: Final = ("agentdojo_actions.csv.gz", "agentdojo_actions.csv", "agentdojo_actions.csv.xz")
_CURE: Final = "take both files from the same version, or move the labels away to import without them"
_COLUMNS: Final = ("run_id", "step", "tool", "attack_goal_call")

Row = tuple[str, bool, str]
"""Tool, whether the call carries the attacker's goal, and where the row stands."""


class _Called(Protocol):
    @property
    def tool(self) -> str: ...


class LabelledRun(Protocol):
    """What the labels need to know of a run."""

    run_id: str
    name: str
    """The run id, made unique."""
    place: str
    benign: bool
    episode: EpisodeId

    @property
    def calls(self) -> Sequence[_Called]:
        """Its tool calls in order."""

    def proposal_id(self, step: int) -> ProposalId:
        """Name the call with this number."""


class Labels:
    """All label rows, by run: some 200 bytes a row in memory, for the order of the two files may differ."""

    def __init__(self, path: Path) -> None:
        """Read the rows. Raises `RecordingError` naming the row that is wrong."""
        self._runs: dict[str, list[list[Row]]] = {}
        self._given: dict[str, int] = {}
        self._name = path.name
        with Source(path) as source:
            for place, row in source.table(needs=_COLUMNS):
                self._add(place, row)

    @classmethod
    def beside(cls, runs: Path) -> Self | None:
        """Read the labels that lie beside a file of runs, or return `None` when there are none."""
        for name in FILES:
            if (path := runs.with_name(name)).exists():
                return cls(path)
        return None

    def _add(self, place: str, row: dict[str, str]) -> None:
        step, unsafe = row["step"], row["attack_goal_call"]
        if not (step.isascii() and step.isdigit()) or unsafe not in ("0", "1"):
            raise RecordingError(
                f"step {step!r} with attack_goal_call {unsafe!r}",
                place=place,
                cure="step counts from 0, attack_goal_call is 0 or 1",
            )
        blocks = self._runs.setdefault(row["run_id"], [])
        if step == "0" or not blocks:
            # A run that occurs twice has two blocks of rows, each counting from 0.
            blocks.append([])
        if int(step) != len(blocks[-1]):
            raise RecordingError(
                f"step {step} of run {row['run_id']!r} where step {len(blocks[-1])} comes next",
                place=place,
                cure="each run's rows must stand together, in order, without gaps",
            )
        blocks[-1].append((row["tool"], unsafe == "1", place))

    def of_run(self, run: LabelledRun) -> Iterator[Label | EpisodeLabel]:
        """Yield the label of a run and of each of its calls.

        Raises `RecordingError` when steps and tools do not agree exactly.
        """
        blocks = self._runs.get(run.run_id, [])
        nth = self._given.get(run.run_id, 0)
        self._given[run.run_id] = nth + 1
        # Where a run occurs twice and its rows once, both are the same run, or the check below says no.
        rows = blocks[min(nth, len(blocks) - 1)] if blocks else []
        if len(rows) != len(run.calls):
            raise RecordingError(
                f"{len(run.calls)} tool calls, but {len(rows)} rows in {self._name}",
                place=run.place,
                cure=_CURE,
            )
        yield EpisodeLabel(episode=run.episode, benign=run.benign, place=run.name)
        for step, (call, (tool, unsafe, place)) in enumerate(zip(run.calls, rows, strict=True)):
            if call.tool != tool:
                raise RecordingError(
                    f"step {step} is {tool!r}, but the run calls {call.tool!r}",
                    place=f"{place}, {run.place}",
                    cure=_CURE,
                )
            yield Label(
                proposal_id=run.proposal_id(step),
                unsafe=unsafe,
                benign_episode=run.benign,
                episode=run.episode,
                place=f"{run.name} step {step}",
            )

    def unused(self) -> int:
        """Count the runs that have labels and were never asked for."""
        return sum(run_id not in self._given for run_id in self._runs)
