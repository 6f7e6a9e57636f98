"""Which escalation climbs which ladder."""

import pytest

from engine.core.vocabulary.escalations import EscalationSettings, Ladder, Route, Rung
from engine.core.vocabulary.ids import Digest


def ladder(name):
    return Ladder(name=name, rungs=(Rung(post=("console",), wait_us=1),), ask_again_us=1, answer_us=1)


SETTINGS = EscalationSettings(
    ladders={name: ladder(name) for name in ("calm", "loud", "data")},
    routes=(
        Route(kinds=("drill",), ladder="calm", severity="info"),
        Route(capability="heal@*", action="db.*", ladder="data"),
        Route(severities=("critical",), ladder="loud"),
        Route(ladder="calm"),
    ),
    settle_us=1,
    storm_most=1,
    storm_within_us=1,
    hash=Digest(""),
)


@pytest.mark.parametrize(
    ("asked", "climbs", "counts_as"),
    [
        (("drill", "critical"), "calm", "info"),
        (("decision", "warning", "heal@2", "db.drop"), "data", "warning"),
        (("decision", "warning", "heal@2", "disk.free"), "calm", "warning"),
        (("trouble", "critical", "heal@2"), "loud", "critical"),
        (("trouble", "critical"), "loud", "critical"),
        (("anomaly", "warning"), "calm", "warning"),
    ],
)
def test_the_first_route_that_covers_it_says_the_ladder_and_how_bad_it_is(asked, climbs, counts_as):
    found, severity = SETTINGS.route(*asked)
    assert (found.name, severity) == (climbs, counts_as)
