"""What a stage wakes people by: the files of a configuration, as an installation would have them."""

from typing import Final

from engine.settings.channels import ChannelsFile

FILES: Final = {
    "people.yaml": """\
people:
  cora: {role: captain, zone: Europe/Berlin, email: cora@example.org}
  bob: {role: responder, zone: Europe/Berlin, email: bob@example.org}
  ray: {role: responder, zone: Europe/Berlin, email: ray@example.org}
""",
    "oncall.yaml": """\
schedules:
  primary:
    zone: Europe/Berlin
    layers:
      - people: [bob, ray]
        start: 2026-11-30 09:00
        every: 1 week
""",
    "ladders.yaml": """\
ladders:
  night:
    rungs:
      - {to: "role:responder", by: email, post: console, wait_s: 300}
      - {to: "role:captain", by: email, wait_s: 300, repeat: 1}
    rounds: 2
  rehearsal:
    rungs:
      - {to: [cora, bob], by: email, wait_s: 60}
    rounds: 1
routes:
  - {kind: drill, ladder: rehearsal}
otherwise: night
""",
}
CHANNELS: Final = ChannelsFile.model_validate(
    {"email": {"host": "mail.invalid", "sender": "watchkeeper@example.org"}, "console": {"bell": False}}
)
"""The channels the stage's engine counts on. No pager runs there, so nothing is ever sent."""
