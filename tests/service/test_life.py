"""The life of a service: how it begins, is refused, takes a new configuration and comes to its end."""

import json
import os
import shutil
import signal

import httpx
import pytest

from bot.http_api.address import read_address
from engine.core.vocabulary.facts import EffectStarted, PolicyAdopted
from engine.runtime.tied import REFUSED
from tests.fence.stopping import gone
from tests.needs import need
from tests.patience import PATIENCE_S
from tests.service.services import Service, eventually, service

pytestmark = pytest.mark.slow


@pytest.fixture
def own(tmp_path):
    """A service of the test's own."""
    need(shutil.which("bwrap"), "bubblewrap is not installed")
    with service(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One service for all tests that leave it as it was."""
    need(shutil.which("bwrap"), "bubblewrap is not installed")
    with service(tmp_path_factory.mktemp("service")) as made:
        yield made


def test_a_clean_stop_lets_what_is_under_way_finish(own):
    under_way = own.run("sleep 1; echo finished >finished")
    eventually(lambda: own.effects_under_way() == {under_way}, own.statuses)
    assert own.stop() == 0, own.output.read_text()
    assert (own.workspace / "finished").read_text() == "finished\n"
    assert own.status(under_way) == "done"
    assert own.left() == {}
    assert read_address(own.layout.address) is None


def test_a_second_one_on_the_same_folder_is_refused(running):
    second = running.cli("up", "--config", str(running.config))
    assert second.returncode == 2
    last = second.stderr.splitlines()[-1]
    assert f"process {running.pid('supervisor')} runs Watchkeeper on this state folder already" in last
    assert "Traceback" not in second.stderr
    assert running.is_healthy()


def test_a_wrong_configuration_is_refused_in_one_line(tmp_path):
    wrong = Service(tmp_path)
    path = wrong.config / "watchkeeper.yaml"
    path.write_text(path.read_text().replace('"slots"', '"hands"'))
    said = wrong.cli("up", "--config", str(wrong.config))
    assert said.returncode == REFUSED
    assert len(said.stderr.splitlines()) == 1, said.stderr
    assert "unknown key 'workers.hands'" in said.stderr
    assert f"{path}:" in said.stderr
    assert not wrong.layout.journal.exists()


def test_hup_takes_a_changed_policy_and_refuses_a_wrong_one(own):
    before = [own.pid(name) for name in ("engine", "front", "worker-1")]
    path = own.config / "actions.yaml"
    actions = json.loads(path.read_text())
    path.write_text(path.read_text().replace('"LOW"', '"MODERATE"'))
    own.send(signal.SIGHUP, "supervisor")
    own.tells("trouble", "the new configuration is refused")
    assert [own.pid(name) for name in ("engine", "front", "worker-1")] == before
    del actions["actions"]["shell.run"]
    path.write_text(json.dumps(actions))
    own.send(signal.SIGHUP, "supervisor")
    eventually(lambda: all(map(gone, before)) and own.is_healthy(), own.output.read_text)
    answer = own.propose("shell.run", {"command": "touch forbidden"})
    assert answer.json()["word"] == "deny", answer.text
    hashes = [fact.policy_hash for fact in own.facts(PolicyAdopted)]
    assert len(hashes) == len(set(hashes)) == 2


def test_an_effect_goes_on_while_the_engine_is_started_again(running):
    long_one = running.run("sleep 2; touch done-once")
    eventually(lambda: running.effects_under_way() == {long_one}, running.statuses)
    engine = running.pid("engine")
    os.kill(engine, signal.SIGKILL)
    eventually(lambda: gone(engine) and running.is_healthy())
    eventually(lambda: running.status(long_one) == "done", running.statuses)
    assert [fact.effect_id for fact in running.facts(EffectStarted)].count(long_one) == 1
    eventually(
        lambda: any(text.startswith("engine was ended by SIGKILL") for text in running.told("restarted"))
    )


def test_health_and_status_answer_while_the_engine_stands_still(running):
    running.send(signal.SIGSTOP, "engine")
    try:

        def says_away() -> bool:
            with running.http() as client:
                return client.get("/v1/health").json() == {"front": "ok", "engine": "away"}

        eventually(says_away)
        with running.http() as client:
            status = client.get("/v1/status")
            assert (status.status_code, status.json()["engine"]) == (200, None), status.text
    finally:
        running.send(signal.SIGCONT, "engine")
    eventually(running.is_healthy)


def test_the_front_answers_to_the_names_of_the_configuration(tmp_path):
    with service(tmp_path, http__names=["watch.example.org"], workers__processes=0) as running:
        address = read_address(running.layout.address)
        codes = [
            httpx.get(
                f"{address.url}/v1/health", headers={"Host": host}, trust_env=False, timeout=PATIENCE_S
            ).status_code
            for host in ("watch.example.org", "other.example.org")
        ]
        assert codes == [200, 421]
