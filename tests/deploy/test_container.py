"""The container: built without a registry, healthy, stopped by its kill switch, drained by `docker stop`."""

import pytest
from ruamel.yaml import YAML

from engine.adapters.sandbox_docker import DockerSandbox
from engine.runtime.tied import REFUSED
from tests.deploy.images import DEPLOY, run
from tests.deploy.within import ask, call, run_in_sandbox, until, until_healthy, until_up

pytestmark = [pytest.mark.deploy, pytest.mark.slow, pytest.mark.xdist_group("docker")]


def test_a_container_lives_from_healthy_to_drained(start):
    container = start()
    until_healthy(container)

    status, said = call(container, "watchkeeper", "status")
    assert status == 0, said
    assert "supervisor 1\n" in said

    _, said = call(container, "sh", "-c", "id -u; cat /proc/1/status")
    assert said.startswith("10001\n")
    assert "CapBnd:\t0000000000000000\n" in said
    assert "NoNewPrivs:\t1\n" in said
    _, said = call(container, "touch", "/etc/ours")
    assert "Read-only file system" in said

    status, said = call(container, "watchkeeper", "kill", "--reason", "a drill")
    assert status == 0, said
    assert "nothing was under way" in said
    seen = ask(container, "watchkeeper", "status", "--json")
    assert [stop["reason"] for stop in seen["stops"]] == ["a drill"]
    status, said = call(container, "watchkeeper", "resume", "--reason", "it was a drill")
    assert status == 0, said

    container.stop(timeout=90)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0
    said = container.logs().decode()
    assert "everything has ended" in said.splitlines()[-1]
    assert "Warning" not in said


def test_the_health_check_fails_while_the_engine_hangs(start):
    container = start()
    until_up(container)
    kind, *check = container.attrs["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD"
    processes = ask(container, "watchkeeper", "status", "--json")["processes"]
    engine = next(process["pid"] for process in processes if process["name"] == "engine")
    until(lambda: call(container, *check)[0] == 0, container)
    call(container, "sh", "-c", f"kill -STOP {engine}")
    until(lambda: call(container, *check)[0] != 0, container)
    call(container, "sh", "-c", f"kill -CONT {engine}")
    until(lambda: call(container, *check)[0] == 0, container)


def test_it_needs_no_init_in_front(start):
    container = start()
    until_up(container)
    # Its parent ends first, so it falls to number one, who has to ask how it ended.
    _, orphan = call(container, "sh", "-c", "sleep 1 >&- 2>&- & echo $!")
    until(lambda: call(container, "test", "-e", f"/proc/{orphan.strip()}")[0] != 0, container)


def test_a_refused_configuration_ends_it_with_the_status_that_says_so(start):
    container = start("up", "--config", "/nowhere")
    assert container.wait()["StatusCode"] == REFUSED
    assert "/nowhere/watchkeeper.yaml: no such file" in container.logs().decode()


def test_programs_run_in_a_sandbox_once_the_container_is_opened_for_it(docker_engine, image):
    file = YAML(typ="safe").load(DEPLOY / "docker" / "compose.sandbox.yaml")
    opened = file["services"]["watchkeeper"]["security_opt"]
    # By the command line, which is what knows `systempaths`.
    words = [word for option in opened for word in ("--security-opt", option)]
    words += ["--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"]
    made = run("docker", "run", "--detach", *words, image, engine=docker_engine)
    assert made.returncode == 0, made.stdout
    container = docker_engine.client.containers.get(made.stdout.split()[-1])
    try:
        until_up(container)
        checks = ask(container, "watchkeeper", "doctor", "--json")
        assert [check for check in checks if check["verdict"] == "bad"] == []
        said = run_in_sandbox(container, "grep NoNewPrivs /proc/self/status; ls /", "watchkeeper")
        assert "NoNewPrivs:\t1\n" in said
        assert "workspace" in said.split()
    finally:
        container.remove(force=True, v=True)


def test_the_sandbox_image_is_one_that_the_sandbox_takes(docker_engine, base, tmp_path):
    sandbox = DockerSandbox(home=tmp_path, image=base, url=docker_engine.url)
    try:
        state = sandbox.describe()
    finally:
        sandbox.close()
    assert state.working, state.why
    look = "find / -xdev -type f -perm /6000; stat -c %a /tmp /workspace; command -v python3"
    said = docker_engine.client.containers.run(base, ["sh", "-c", look], network_mode="none", remove=True)
    assert said.decode().split() == ["1777", "755", "/usr/bin/python3"]
