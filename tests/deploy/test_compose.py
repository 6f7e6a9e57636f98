"""compose.yaml, by the program it is for: narrow, reached on the loopback address, state that outlives it."""

import shutil
import uuid

import httpx
import pytest

from tests.deploy.images import DEPLOY, run
from tests.deploy.within import ask, call, until_healthy, until_up
from tests.needs import need
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.deploy, pytest.mark.slow, pytest.mark.xdist_group("docker")]


@pytest.fixture
def compose(docker_engine, image):
    """A function that runs compose on our file, as a project of its own; all of it is gone at the end."""
    # The plugin, or the older program, which Debian 12 has.
    plugin = ["docker", "compose"]
    program = plugin if run(*plugin, "version", engine=docker_engine).returncode == 0 else ["docker-compose"]
    need(shutil.which(program[0]), "neither `docker compose` nor docker-compose is installed")
    words = [*program, "-p", f"wk{uuid.uuid4().hex[:8]}", "-f", str(DEPLOY / "docker" / "compose.yaml")]

    def call_compose(*more):
        # Any free port: the usual one may be taken.
        done = run(*words, *more, engine=docker_engine, WATCHKEEPER_PORT="0")
        assert done.returncode == 0, done.stdout
        return done.stdout

    yield call_compose
    call_compose("down", "--volumes")


def test_compose_starts_it_narrow_and_keeps_its_state(docker_engine, compose):
    def up():
        compose("up", "--detach", "--no-build")
        return docker_engine.client.containers.get(compose("ps", "-q").split()[-1])

    container = up()
    until_healthy(container)
    host = container.attrs["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    address, port = compose("port", "watchkeeper", "8765").split()[-1].split(":")
    assert address == "127.0.0.1"
    answer = httpx.get(f"http://{address}:{port}/v1/health", trust_env=False, timeout=PATIENCE_S)
    assert answer.json() == {"front": "ok", "engine": "ok"}

    status, said = call(container, "watchkeeper", "kill", "--reason", "a drill")
    assert status == 0, said
    compose("stop")
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0
    compose("down")

    container = up()
    until_up(container)
    seen = ask(container, "watchkeeper", "status", "--json")
    assert [stop["reason"] for stop in seen["stops"]] == ["a drill"]
