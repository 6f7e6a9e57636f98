"""A bridge with people, two schedules, ladders and a captaincy in its own configuration."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from engine.adapters.roster import FileRoster
from engine.runtime.parts import Ladders
from engine.wiring import SHIPPED_CONFIG
from engine.wiring.ladders import read_waking
from tests.console.bridge import Bridge
from tests.http.waking import LOUD

SEEN = structs.replace(LOUD, loud=False, personal=False)

PEOPLE = """
people:
  ray:
    name: Ray <b>R</b>
    role: responder
    zone: Europe/Berlin
    phone: "+49 30 901820"
    ntfy: ray-secret-topic
  cat: {role: captain, zone: Asia/Kathmandu, email: cat@example.org, ntfy: cat-secret-topic}
"""
ON_CALL = """
schedules:
  primary:
    zone: Europe/Berlin
    layers:
      - {people: [ray, cat], start: 2026-11-02 09:00, every: 1 week}
  weekdays:
    zone: America/New_York
    gaps: allowed
    layers:
      - people: [cat]
        during: [{days: [mon, tue, wed, thu, fri], from: "09:00", until: "17:00"}]
"""
LADDERS = """
defaults: {rounds: 2, failsafe: hold, ask_again_s: 900, answer_s: 300}
ladders:
  by-phone:
    rungs:
      - {to: on-call:primary, by: [ntfy], wait_s: 60}
      - {to: captain, by: [email], wait_s: 120, repeat: 1}
  screens:
    rungs: [{post: [console, desktop], wait_s: 300}]
    failsafe: stop
routes: [{kind: request, severity: critical, ladder: by-phone}]
otherwise: screens
grouping: {settle_s: 300, storm: {more_than: 10, within_s: 60}}
engine_away: {after_s: 30, ladder: null}
drills: []
"""


def configured(home: Path) -> Path:
    """Give a state folder a configuration of its own; return that."""
    config = home / "config"
    shutil.copytree(SHIPPED_CONFIG, config)
    for name, text in {"people": PEOPLE, "oncall": ON_CALL, "ladders": LADDERS}.items():
        (config / f"{name}.yaml").write_text(text)
    return config


@contextlib.contextmanager
def crewed(home: Path, **values: bool) -> Iterator[Bridge]:
    """Engine and front run, and people can be woken; without `engine` the front alone."""
    config = configured(home)
    made = Bridge(home)
    waking = read_waking(config)
    can = {"ntfy": LOUD, "email": LOUD, "console": SEEN, "desktop": SEEN}
    people, schedules = waking.known.people.values(), waking.known.schedules.values()
    ladders = Ladders(settings=waking.settings, roster=FileRoster(people, schedules, channels=can))
    with made.up(ladders=ladders, **values):
        yield made
    made.close()
