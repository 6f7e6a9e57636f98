"""A fleet of small services. Each is a folder: how it is set, its logs, and how it is.

Nothing of it is kept anywhere else. Who edits `service.conf` changes how many copies run, who deletes old
logs makes room, and who takes that back brings the trouble back.
"""

import contextlib
from pathlib import Path
from random import Random
from typing import Final, Literal

from msgspec import Struct

from engine.adapters.files import atomic_write
from simulator.world.chance import stream

NAMES: Final = ("web", "search", "mail", "billing")
FOLDER: Final = "fleet"

_FIRST_VERSION: Final = 41
_FIRST_COPIES: Final = 2
_SLOW_MS: Final = 400
_QUIET_MS: Final = 90
_LOG_BYTES: Final = 8 << 10
_MOST_LOGS: Final = 10
_FULL: Final = 8
"""So many old logs fill a disk; there is never more than `_MOST_LOGS` of them."""
_LOADS: Final = (1.0, 1.4, 1.9)
_RUSH: Final = 3.0
"""How much comes in while there is a rush: two copies are too slow for it, three and four carry it."""

TroubleKind = Literal["slow", "full", "stuck"]


class Trouble(Struct, frozen=True, kw_only=True):
    """What is wrong with one service."""

    service: str
    kind: TroubleKind
    text: str
    """What is measured, for people."""

    @property
    def name(self) -> str:
        """Its name while it lasts.

        >>> Trouble(service="web", kind="full", text="").name
        'web-full'
        """
        return f"{self.service}-{self.kind}"


class Setting(Struct, frozen=True, kw_only=True):
    """What `service.conf` says."""

    version: str
    copies: int


class Fleet:
    """All the services below one workspace. What happens to them follows from a seed."""

    def __init__(self, workspace: Path, seed: int) -> None:
        """Make what is missing; what is there goes on as it is."""
        self.folder = workspace / FOLDER
        self._chance = {name: stream(seed, "fleet", name) for name in NAMES}
        self._load = dict.fromkeys(NAMES, _LOADS[0])
        self._rush_left = dict.fromkeys(NAMES, 0)
        self._stuck: set[str] = set()
        self._turn = 0
        for name in NAMES:
            (self.folder / name / "logs").mkdir(parents=True, exist_ok=True)
            if not self._conf(name).exists():
                self._write_conf(name, Setting(version=str(_FIRST_VERSION), copies=_FIRST_COPIES))

    # ------------------------------------------------------------ what happens to it

    def live_on(self) -> None:
        """Let a moment pass: load comes and goes, logs grow, a service hangs now and then."""
        self._turn += 1
        for place, name in enumerate(NAMES):
            chance = self._chance[name]
            self._rush(name, chance)
            # One after the other: nobody can follow four troubles that begin at once.
            if self._turn % 2 == place % 2:
                self._log(name)
            if name not in self._stuck and chance.random() < 0.006:
                self._stuck.add(name)
            self._say(name)

    def rush(self, service: str) -> None:
        """Let much more come in than two copies carry, for a while."""
        self._load[service], self._rush_left[service] = _RUSH, 45

    def hang(self, service: str) -> None:
        """Let a service hang until it is restarted."""
        self._stuck.add(service)

    def _rush(self, name: str, chance: Random) -> None:
        if self._rush_left[name]:
            self._rush_left[name] -= 1
        elif chance.random() < 0.02:
            self.rush(name)
        else:
            self._load[name] = chance.choice(_LOADS)

    def _log(self, name: str) -> None:
        logs = self.logs(name)
        if len(logs) >= _MOST_LOGS:
            return
        line = f"GET /{name} 200 in {self.latency_ms(name)} ms\n"
        newest = int(logs[-1].stem.rpartition("-")[2]) if logs else 0
        path = self.folder / name / "logs" / f"access-{newest + 1:05}.log"
        path.write_text(line * (_LOG_BYTES // len(line)))

    # ------------------------------------------------------------ how it is

    def troubles(self) -> list[Trouble]:
        """Return all that is wrong now."""
        found = []
        for name in NAMES:
            latency, used = self.latency_ms(name), self.used_percent(name)
            if name in self._stuck:
                found.append(Trouble(service=name, kind="stuck", text=f"{name} answers nothing any more"))
            elif latency >= _SLOW_MS:
                text = f"{name} takes {latency} ms to answer, {_SLOW_MS} is too much"
                found.append(Trouble(service=name, kind="slow", text=text))
            if used >= 100 * _FULL // _MOST_LOGS:
                text = f"the disk of {name} is {used} % full of old logs"
                found.append(Trouble(service=name, kind="full", text=text))
        return found

    def setting(self, service: str) -> Setting:
        """Return how a service is set; as it was at first where an agent left nothing that can be read."""
        found = {"version": str(_FIRST_VERSION), "copies": str(_FIRST_COPIES)}
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for line in self._conf(service).read_text().splitlines():
                name, equals, value = line.partition("=")
                if equals:
                    found[name.strip()] = value.strip()
        copies = int(found["copies"]) if found["copies"].isdecimal() else _FIRST_COPIES
        return Setting(version=found["version"], copies=max(1, copies))

    def latency_ms(self, service: str) -> int:
        """Return how long an answer takes: with the square of what each copy has to carry."""
        share = self._load[service] / self.setting(service).copies
        return round(_QUIET_MS * max(1.0, (2 * share) ** 2))

    def has_spare(self, service: str) -> bool:
        """Whether it runs more copies than at first, and would be quick enough without them."""
        copies = self.setting(service).copies
        alone = self.latency_ms(service) * (copies / _FIRST_COPIES) ** 2
        return copies > _FIRST_COPIES and not self._rush_left[service] and alone < _SLOW_MS

    def used_percent(self, service: str) -> int:
        """Return how full its disk is, per cent."""
        return 100 * len(self.logs(service)) // _MOST_LOGS

    def logs(self, service: str) -> list[Path]:
        """Return its logs, the oldest first."""
        return sorted((self.folder / service / "logs").glob("access-*.log"))

    def _say(self, name: str) -> None:
        how = "hangs" if name in self._stuck else f"answers in {self.latency_ms(name)} ms"
        setting = self.setting(name)
        disk = f"disk {self.used_percent(name)} % full"
        (self.folder / name / "health.txt").write_text(
            f"{name} {setting.version}: {how}, {setting.copies} copies, {disk}\n"
        )

    # ------------------------------------------------------------ what agents do to it themselves

    def restart(self, service: str) -> None:
        """Restart a service."""
        self._stuck.discard(service)

    def release(self, service: str, version: str) -> str:
        """Put a version into service; return the one before."""
        before = self.setting(service)
        self._write_conf(service, Setting(version=version, copies=before.copies))
        return before.version

    def _conf(self, service: str) -> Path:
        return self.folder / service / "service.conf"

    def _write_conf(self, service: str, setting: Setting) -> None:
        with atomic_write(self._conf(service)) as file:
            file.write(f"version = {setting.version}\ncopies = {setting.copies}\n".encode())
