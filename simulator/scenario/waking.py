"""Waking on a stage: ladders, people and schedules of its own, and names for what somebody is woken for."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from engine.adapters.roster import FileRoster
from engine.commands.directory import Directory
from engine.core.vocabulary.ids import EscalationId
from engine.ports import Linked
from engine.runtime.live import Live
from engine.runtime.parts import Ladders
from engine.settings.channels import ChannelsFile
from engine.wiring.directory import directory_of
from engine.wiring.ladders import read_waking
from notifiers.stating import capabilities_of
from simulator.scenario.ladders import CHANNELS, FILES


class StageWaking:
    """What a stage wakes people with, once its engine is one that does."""

    def __init__(
        self,
        home: Path,
        *,
        files: Mapping[str, str] = FILES,
        channels: ChannelsFile = CHANNELS,
        links: Callable[[], Sequence[Linked]] = tuple,
    ) -> None:
        """Wake nobody yet. `files` are those of a configuration that say whom, and how."""
        self._files, self._channels, self._links = files, channels, links
        self._config = home / "waking"
        self._on = False
        self._live: Live | None = None
        self._directory: Callable[[], Directory] = Directory
        self._known: dict[EscalationId, tuple[str, str]] = {}
        """The name and the code of everything that somebody was woken for, in order."""

    def begin(self) -> None:
        """Wake people from the next engine on."""
        self._on = True
        self._config.mkdir(exist_ok=True)
        for name, text in self._files.items():
            (self._config / name).write_text(text)
        self._directory = directory_of(self._config)

    def directory(self) -> Directory:
        """Say who there is."""
        return self._directory()

    def ladders(self) -> Ladders | None:
        """Return what an engine is given."""
        if not self._on:
            return None
        return Ladders(settings=read_waking(self._config).settings, roster=self.roster())

    def roster(self) -> FileRoster:
        """Return what knows everybody and their addresses."""
        known = read_waking(self._config).known
        return FileRoster(
            known.people.values(),
            known.schedules.values(),
            channels=capabilities_of(self._channels),
            links=self._links,
        )

    async def turn(self, live: Live) -> None:
        """Do all that is due, and give what was raised its name."""
        self._live = live
        if live.waking is not None:
            await live.waking.turn()
            self._name()

    def _name(self) -> None:
        waking = self._live.waking if self._live is not None else None
        for name, each in waking.state.by_id.items() if waking is not None else ():
            self._known.setdefault(name, (f"E{len(self._known) + 1}", each.code))

    def ids(self, text: str) -> str:
        """Put ids in the place of names."""
        for escalation, (name, _) in self._known.items():
            text = re.sub(rf"\b{name}\b", escalation, text)
        return text

    def normal(self, line: str) -> str:
        """Write what differs from run to run as what it is."""
        if not self._on:
            return line
        self._name()
        line = re.sub(rf"\b({_DAYS}) \d{{4}}-\d\d-\d\d \d\d:\d\d", "WHEN", line)
        line = re.sub(rf"\b({_DAYS}) \d\d:\d\d\b", "CLOCK", line)
        line = re.sub(r"\bc\d+\b", "CHANGE", line)
        line = re.sub(r"\b\d{16}-\d{16}\b", "TURN", line)
        for escalation, (name, code) in self._known.items():
            line = re.sub(rf"\b{escalation}\b", name, line)
            line = re.sub(rf"\b{code}\b", name, line)
        line = re.sub(r"\bby (terminal|slack|discord)\b", "by FRONT", line)
        # A second more or less is a matter of the machine's load.
        line = _SPAN.sub(r"\1 SPAN", line.rstrip())
        return re.sub(r"\b(\d+ min )?\d{1,2} s\b", r"\1N s", line).replace(" min N s", " min")


_SPAN: Final = re.compile(r"\b(in|for|after) (\d+ (d|h|min|s)\b ?){1,2}(?=$|[,.;:)]| by)")
_DAYS: Final = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
