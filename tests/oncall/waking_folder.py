"""A configuration folder with people, schedules and ladders that work, to be edited one thing at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import WatchkeeperError
from engine.wiring.ladders import Channels, Waking, read_waking
from notifiers.channel import Capabilities

PEOPLE = """\
people:
  ada:
    name: Ada Lovelace
    role: captain
    zone: Europe/London
    phone: "+44 20 7946 0958"
    email: ada@example.org
    quiet:
      - {from: "22:00", until: "07:00", unless: critical}
  bob:
    role: responder
    zone: America/New_York
    phone: "+1 212 555 0123"
  cy:
    role: viewer
    zone: Asia/Kathmandu
    ntfy: cy-7Gk2pX9q
    pushover: uQiRzpo4DXghDmr9QzzfQu27cmVRsG
"""
ONCALL = """\
schedules:
  primary:
    zone: Europe/Berlin
    layers:
      - people: [ada, bob]
        start: 2026-11-30 09:00
        every: 1 week
        during:
          - {days: [mon, tue, wed, thu, fri], from: "09:00", until: "17:00"}
      - people: [bob]
"""
LADDERS = """\
ladders:
  screens:
    rungs:
      - {post: console, wait_s: 60}
  phone:
    rounds: 2
    rungs:
      - {to: on-call:primary, by: [sms, discord], wait_s: 60}
      - to: [captain, bob]
        by: call
        wait_s: 120.5
        repeat: 1
    then: all
    answer_s: 30
  all:
    rounds: 1
    rungs:
      - {to: everyone, by: sms, post: [pagerduty], wait_s: 300}
    failsafe: stop
routes:
  - {kind: drill, ladder: screens, counts_as: info}
  - {severity: [critical], ladder: phone}
otherwise: all
"""


def capable(*, loud=False, personal=True, acknowledge=True, text="full"):
    """What a channel can do."""
    return Capabilities(
        loud=loud,
        personal=personal,
        receipt=False,
        acknowledge=acknowledge,
        latency_s=1.0,
        cost_usd=0.0,
        text=text,
    )


CAPABLE = {
    "call": capable(loud=True, text="spoken"),
    "sms": capable(loud=True, text="short"),
    "ntfy": capable(loud=True, acknowledge=False),
    "email": capable(acknowledge=False),
    "discord": capable(),
    "console": capable(personal=False, acknowledge=False),
    "desktop": capable(personal=False, acknowledge=False),
    "pagerduty": capable(loud=True, personal=False),
}
CHANNELS = Channels(by_name=CAPABLE, linked=False)


class WakingFolder:
    """The three files."""

    def __init__(self, path: Path) -> None:
        """Write them."""
        self.path = path
        for name, text in (("people", PEOPLE), ("oncall", ONCALL), ("ladders", LADDERS)):
            self.write(name, text)

    def write(self, name: str, text: str) -> WakingFolder:
        """Replace a whole file."""
        (self.path / f"{name}.yaml").write_text(text)
        return self

    def edit(self, name: str, old: str, new: str) -> WakingFolder:
        """Replace the first place where a text stands; it must stand somewhere."""
        before = (self.path / f"{name}.yaml").read_text()
        assert old in before
        return self.write(name, before.replace(old, new, 1))

    def line_of(self, name: str, text: str) -> int:
        """The number of the first line with this text."""
        lines = (self.path / f"{name}.yaml").read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def read(self, channels: Channels | None = CHANNELS) -> Waking:
        """Read them as the product does."""
        return read_waking(self.path, channels)

    def complaint(self, channels: Channels | None = CHANNELS) -> str:
        """What is said when they are read; paths are shortened to the file's name."""
        with pytest.raises(WatchkeeperError) as refused:
            self.read(channels)
        said = str(refused.value)
        assert "\n" not in said, "a complaint is one line"
        return said.replace(f"{self.path}/", "")
