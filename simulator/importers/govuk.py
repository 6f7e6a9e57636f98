"""Deployments of GOV.UK: releases that climb from integration to production, and the people who pause them.

A capability is an application in an environment, its version the image tag:
`asset-manager/production@v123`. Each row is read in this order: flags (pauses and their ends), then what
was deployed. History executed all of it, so after each proposal stand the outcome and the promotion that
history made of it.
"""

import re
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.core.vocabulary.actions import Action, Parameter, RiskLevel
from engine.core.vocabulary.facts import (
    CapabilityDemoted,
    CapabilityPromoted,
    EpisodeClosed,
    Fact,
    OutcomeReported,
    ProposalReceived,
    RolloutPaused,
    RolloutResumed,
)
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    CapabilityName,
    EpisodeId,
    ProposalId,
)
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.units import duration_text, parse_time
from engine.errors import RecordingError
from simulator.importers.source import Source
from simulator.importers.summary import Summary, noted, summarize
from simulator.recording import Header, Origin, RecordingWriter

FORMAT: Final = "govuk"
ENVIRONMENTS: Final = ("integration", "staging", "production")
AGENT: Final = AgentId("deploy-bot")

ISOLATED_MOST: Final = 3
"""A downgrade with more than this many within 15 minutes is a mass redeploy, not an answer to a bad
release."""
REMEMBERED_TAGS: Final = 32
"""How many earlier releases of an application in production are known. A downgrade to one of them goes
back; one to a tag never seen there is a slower pipeline that finished second, and says nothing about the
release before."""
OPEN_EPISODES: Final = 64
"""Releases of one application that may be under way at once; the oldest is closed beyond that."""
REMEMBERED_IDS: Final = 4_096
"""Repeated ids are mended among so many rows; the source has them in one commit, if at all."""

_COLUMNS: Final = (
    "ts_utc",
    "app",
    "environment",
    "kind",
    "old_tag",
    "new_tag",
    "direction",
    "automatic_deploys_enabled",
    "promote_deployment",
    "actor",
    "commit",
    "downgrades_within_15min",
)
_RATIONALE: Final = (
    "a deterministic pipeline reached this step past every check, and so states full confidence"
)
_NOTE_OUTCOMES: Final = (
    "an outcome says that history carried the deployment out; a second one with ok=false says that the "
    "release was taken back later, by an isolated downgrade to one production had before"
)
_NOTES: Final = (
    _NOTE_OUTCOMES,
    "no health metrics and no reasons were recorded",
    "a confidence of 1 and one changed file for each deployment are the importer's, not the source's",
)

_TEXT: Final = Parameter(type="string")
_PARAMETERS: Final = {
    "app": _TEXT,
    "environment": Parameter(type="string", choices=ENVIRONMENTS),
    "tag": _TEXT,
    "from_tag": Parameter(type="string", nullable=True),
}
ACTIONS: Final = (
    Action(
        name=ActionName("deploy_release"),
        kind="write",
        risk=RiskLevel.LOW,
        parameters=_PARAMETERS,
        undo="deploy_release",
        summary="Run a release in integration; undone by deploying the tag before it.",
    ),
    Action(
        name=ActionName("promote_release"),
        kind="write",
        risk=RiskLevel.MEDIUM,
        parameters=_PARAMETERS,
        undo="promote_release",
        summary="Take a release to staging or production; undone by promoting the tag before it.",
    ),
)


class _App:
    """What must be remembered of one application."""

    __slots__ = ("earlier", "live", "open")

    def __init__(self) -> None:
        self.open: OrderedDict[str, None] = OrderedDict()
        """Tags whose episode is open, oldest first."""
        self.earlier: deque[str] = deque(maxlen=REMEMBERED_TAGS)
        """Tags production had before the one it has."""
        self.live: tuple[str, ProposalReceived | None] = ("", None)
        """What production has, and the proposal that brought it; `None` when people did."""


def import_govuk(source: Source, out: Path) -> Summary:
    """Write the recording of a table of deployments.

    Raises `RecordingError` naming row and column when one is wrong.
    """
    header = Header(
        source=FORMAT,
        origin=Origin(name=source.name, sha256=source.sha256()),
        actions=ACTIONS,
        notes=_NOTES,
    )
    history = _History()
    with RecordingWriter(out, header) as writer:
        for place, row in source.table(needs=_COLUMNS):
            for fact in history.facts(place, row):
                writer.write(fact)
        writer.source_rows = source.rows
    return summarize(FORMAT, source.name, writer, noted(history.oddities))


class _History:
    """Turns rows into facts, remembering no more than each application's present."""

    def __init__(self) -> None:
        self.oddities: Counter[str] = Counter()
        self._apps: dict[str, _App] = {}
        self._paused: dict[tuple[str, str], set[str]] = {}
        self._ids: OrderedDict[str, int] = OrderedDict()
        self._last_us = -(1 << 63)

    def facts(self, place: str, row: dict[str, str]) -> Iterator[Fact]:
        at_us = self._time(place, row["ts_utc"])
        environment, kind = row["environment"], row["kind"]
        if environment not in ENVIRONMENTS:
            raise RecordingError(
                f"environment {environment!r}",
                place=place,
                cure=f"it must be one of {', '.join(ENVIRONMENTS)}",
            )
        if not row["app"]:
            raise RecordingError("the column 'app' is empty", place=place, cure="name the application")
        yield from self._flags(at_us, row)
        if kind in ("deploy", "added"):
            if row["new_tag"]:
                yield from self._deployed(at_us, row)
            else:
                self.oddities[f"rows of kind {kind} without a new_tag, taken for their flags only"] += 1
        elif kind == "removed":
            yield from self._removed(at_us, row)
        elif kind != "flag_change":
            self.oddities[f"rows of the unknown kind {kind!r}, taken for their flags only"] += 1

    def _time(self, place: str, text: str) -> int:
        try:
            at_us = parse_time(text)
        except ValueError:
            raise RecordingError(
                f"column 'ts_utc': {text!r} is not an ISO 8601 time", place=place, cure="correct the row"
            ) from None
        if at_us < self._last_us:
            raise RecordingError(
                f"column 'ts_utc': {text} is earlier than the row before",
                place=place,
                cure="sort the rows by time",
            )
        self._last_us = at_us
        return at_us

    def _flags(self, at_us: int, row: dict[str, str]) -> Iterator[Fact]:
        environment = row["environment"]
        position = ENVIRONMENTS.index(environment)
        targets = [("automatic_deploys_enabled", environment)]
        if position + 1 < len(ENVIRONMENTS):
            targets.append(("promote_deployment", ENVIRONMENTS[position + 1]))
        for column, target in targets:
            paused = self._is_false(column, row[column])
            reasons = self._paused.setdefault((row["app"], target), set())
            reason = f"{column}=false in {environment}"
            if paused == (reason in reasons):
                continue
            kind = RolloutPaused if paused else RolloutResumed
            (reasons.add if paused else reasons.discard)(reason)
            yield kind(at_us=at_us, capability=_name(row["app"], target), reason=reason, by=row["actor"])

    def _is_false(self, column: str, text: str) -> bool:
        if text in ("", "true", "false"):
            return text == "false"
        word = re.match(r"\s*(true|false)\b", text, re.IGNORECASE)
        taken = word.group(1).lower() if word else "unset"
        self.oddities[f"{column} is {text!r}, taken as {taken}"] += 1
        return taken == "false"

    def _deployed(self, at_us: int, row: dict[str, str]) -> Iterator[Fact]:
        name, environment, tag = row["app"], row["environment"], row["new_tag"]
        app = self._apps.setdefault(name, _App())
        capability = CapabilityId(f"{_name(name, environment)}@{_version(tag)}")
        proposed: ProposalReceived | None = None
        if environment == "production":
            yield from self._taken_back(at_us, row, app)
        if row["kind"] == "deploy" and row["actor"] == "bot":
            yield from self._opened(at_us, name, app, tag)
            proposed = self._proposed(at_us, row, capability)
            yield proposed
            yield _outcome(at_us, proposed.proposal, ok=True, detail="")
        yield CapabilityPromoted(at_us=at_us, capability=capability, by=row["actor"], reason=row["kind"])
        if environment == "production":
            if app.live[0]:
                app.earlier.append(app.live[0])
            app.live = (tag, proposed)
            yield from _closed(at_us, name, app, tag)

    def _proposed(self, at_us: int, row: dict[str, str], capability: CapabilityId) -> ProposalReceived:
        name, environment, tag = row["app"], row["environment"], row["new_tag"]
        action = "deploy_release" if environment == ENVIRONMENTS[0] else "promote_release"
        return ProposalReceived(
            at_us=at_us,
            proposal=Proposal(
                proposal_id=self._unique(f"{row['commit']}/{name}/{environment}"),
                agent=AGENT,
                capability=capability,
                action=ActionName(action),
                args={
                    "app": name,
                    "environment": environment,
                    "tag": tag,
                    "from_tag": row["old_tag"] or None,
                },
                episode=_episode(name, tag),
                environment=environment,
                impact=Impact(files=1, api_calls=1),
                confidence=1.0,
                rationale=_RATIONALE,
            ),
        )

    def _opened(self, at_us: int, name: str, app: _App, tag: str) -> Iterator[Fact]:
        if tag in app.open:
            return
        app.open[tag] = None
        if len(app.open) > OPEN_EPISODES:
            oldest, _ = app.open.popitem(last=False)
            yield EpisodeClosed(at_us=at_us, episode=_episode(name, oldest))

    def _taken_back(self, at_us: int, row: dict[str, str], app: _App) -> Iterator[Fact]:
        together = row["downgrades_within_15min"]
        if row["direction"] != "down" or not (together.isascii() and together.isdigit()):
            return
        tag, brought = app.live
        if int(together) > ISOLATED_MOST or brought is None or tag != row["old_tag"]:
            return
        if row["new_tag"] not in app.earlier:
            return
        after = duration_text(round((at_us - brought.at_us) / 1_000_000))
        detail = f"rolled back to {row['new_tag']} after {after}"
        yield _outcome(at_us, brought.proposal, ok=False, detail=detail)

    def _removed(self, at_us: int, row: dict[str, str]) -> Iterator[Fact]:
        name, environment = row["app"], row["environment"]
        yield CapabilityDemoted(
            at_us=at_us,
            capability=_name(name, environment),
            by=row["actor"],
            reason=f"removed from {environment}",
        )
        app = self._apps.get(name)
        if app is not None and environment == "production":
            app.live = ("", None)

    def _unique(self, wanted: str) -> ProposalId:
        times = self._ids.pop(wanted, 0) + 1
        self._ids[wanted] = times
        if len(self._ids) > REMEMBERED_IDS:
            self._ids.popitem(last=False)
        if times > 1:
            self.oddities["rows with commit, app and environment of an earlier one"] += 1
            return ProposalId(f"{wanted}~{times}")
        return ProposalId(wanted)


def _closed(at_us: int, name: str, app: _App, tag: str) -> Iterator[Fact]:
    """Close the release that reached production, and before it those it overtook."""
    if tag not in app.open:
        return
    while app.open:
        oldest, _ = app.open.popitem(last=False)
        yield EpisodeClosed(at_us=at_us, episode=_episode(name, oldest))
        if oldest == tag:
            return


def _outcome(at_us: int, proposal: Proposal, *, ok: bool, detail: str) -> OutcomeReported:
    return OutcomeReported(
        at_us=at_us,
        proposal_id=proposal.proposal_id,
        agent=proposal.agent,
        capability=proposal.capability,
        action=proposal.action,
        ok=ok,
        by="incumbent",
        detail=detail,
    )


def _name(app: str, environment: str) -> CapabilityName:
    # The version of a capability begins at its last @; a name must have none.
    return CapabilityName(f"{app.replace('@', '-')}/{environment}")


def _version(tag: str) -> str:
    return tag.replace("@", "-")


def _episode(app: str, tag: str) -> EpisodeId:
    return EpisodeId(f"{app}@{tag}")
