"""KPIs of a whole service: counted while it runs, and gone on from after everything was killed."""

import json
import signal

import pytest

from tests.service.services import eventually, service

pytestmark = pytest.mark.long


def of(made, name):
    """One KPI as the API has it, with the last record it counts."""
    with made.http() as client:
        answer = client.get("/v1/kpis").json()
    (found,) = [kpi for kpi in answer["kpis"] if kpi["name"] == name]
    return found | {"seq": answer["seq"]}


def test_nothing_is_lost_or_counted_twice_when_all_of_it_is_killed(tmp_path):
    with service(tmp_path) as made:
        for number in range(3):
            made.propose("note.put", {"name": f"a{number}", "pause_s": 0}, wait_s=30)
        before = of(made, "cost per decision")
        assert before["count"] == 3
        made.send(signal.SIGKILL, "front", "engine")
        eventually(lambda: not made.is_healthy())
        eventually(made.is_healthy)
        made.propose("note.put", {"name": "b", "pause_s": 0}, wait_s=30)
        after = of(made, "cost per decision")
        assert after["count"] == 4
        assert after["seq"] > before["seq"]
        # With all of it dead the command line still counts.
        made.end()
        said = json.loads(made.cli("kpi", "--config", str(made.config), "--json").stdout)
    assert {kpi["name"]: kpi["count"] for kpi in said["kpis"]}["cost per decision"] == 4
