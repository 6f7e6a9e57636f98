"""Whatever people, workers, clocks and crashes do in whatever order, holds are answered as they must be.

`HYPOTHESIS_PROFILE=thorough` looks longer.
"""

import os

from hypothesis import settings

from tests.live.hold_machine import HoldMachine

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

TestHolds = HoldMachine.TestCase
TestHolds.settings = settings(max_examples=400 if LONG else 25, stateful_step_count=60 if LONG else 30)
