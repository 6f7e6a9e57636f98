"""A fake Twilio on loopback: it takes calls and SMS as the real one does, and plays the phones."""

from simulator.fakes.fake_twilio.phones import Phone
from simulator.fakes.fake_twilio.server import FakeTwilio

__all__ = ["FakeTwilio", "Phone"]
