"""A fake Slack on loopback that slack-bolt and slack-sdk talk to as they talk to the real one."""

from simulator.fakes.fake_slack.server import FakeSlack

__all__ = ["FakeSlack"]
