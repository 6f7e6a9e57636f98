"""The unit: read by systemd, judged by systemd, and run by a real one with programs in the sandbox."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.adapters.yaml_files import read_yaml
from engine.runtime.child import Pace
from engine.runtime.tied import REFUSED
from engine.settings.service import ServiceFile
from tests.deploy.images import DEPLOY, run
from tests.deploy.within import ask, call, run_in_sandbox, until, until_up
from tests.house.tree import ROOT
from tests.needs import need

UNIT = DEPLOY / "systemd" / "watchkeeper.service"
PRODUCT = "/opt/watchkeeper/bin/watchkeeper"
# In tenths of what `systemd-analyze security` shows: 10.0 is wide open.
MOST_EXPOSED = 35


def service() -> dict[str, str]:
    """Read the unit's [Service] section; of an option that is there twice, the last."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(UNIT.read_text())
    return dict(unit["Service"])


def test_a_drain_ends_before_systemd_loses_patience():
    workers, pace = read_yaml(ROOT / "config" / "watchkeeper.yaml").checked(ServiceFile).workers, Pace()
    longest_s = pace.front_s + workers.drain_s + pace.engine_s
    for grace in (service()["TimeoutStopSec"], _grace_of("compose.yaml")):
        assert float(grace) >= longest_s + 20


def _grace_of(name: str) -> str:
    return re.search(r"stop_grace_period: (\d+)s", (DEPLOY / "docker" / name).read_text())[1]


def test_what_a_restart_does_not_mend_is_not_restarted():
    assert service()["RestartPreventExitStatus"] == str(REFUSED)
    assert service()["KillMode"] == "mixed"


def test_systemd_reads_the_unit_without_complaint(tmp_path: Path):
    need(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(PRODUCT, sys.executable))
    analyze = ["systemd-analyze", "--no-pager"]
    done = subprocess.run([*analyze, "verify", unit], capture_output=True, text=True, check=False)
    # The one option that is younger than Debian 12; older ones pass over it, as the unit says.
    said = [line for line in done.stderr.splitlines() if unit.name in line and "DelegateSubgroup" not in line]
    assert (done.returncode, said) == (0, [])
    judged = subprocess.run(
        [*analyze, "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout


@pytest.fixture
def booted(docker_engine, image):
    """A machine that systemd runs, with the product installed: a container of its own, without a network."""
    # What systemd needs to mount and to make groups, and what it hands on to the services it starts.
    words = ["--cap-add=SYS_ADMIN", "--cgroupns=private", "--network=none", "--user=0:0"]
    words += ["--security-opt=seccomp=unconfined", "--security-opt=systempaths=unconfined"]
    words += ["--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp", "--env=container=docker"]
    words += ["--entrypoint=/lib/systemd/systemd"]
    made = run("docker", "run", "--detach", *words, image, engine=docker_engine)
    assert made.returncode == 0, made.stdout
    container = docker_engine.client.containers.get(made.stdout.split()[-1])
    try:
        until(lambda: call(container, "systemctl", "is-system-running")[1].strip() == "running", container)
        call(container, "mkdir", "-p", "/etc/sysusers.d")
        for name, place in (
            ("sysusers.conf", "sysusers.d/watchkeeper.conf"),
            (UNIT.name, f"systemd/system/{UNIT.name}"),
        ):
            put = ["docker", "cp", DEPLOY / "systemd" / name, f"{container.id}:/etc/{place}"]
            done = run(*put, engine=docker_engine)
            assert done.returncode == 0, done.stdout
        yield container
    finally:
        container.remove(force=True, v=True)


@pytest.mark.deploy
@pytest.mark.slow
@pytest.mark.xdist_group("docker")
def test_systemd_runs_it_hardened_and_its_sandbox_works(booted):
    def ctl(*words):
        status, said = call(booted, "systemctl", *words)
        assert status == 0, said

    def shown(name):
        return call(booted, "systemctl", "show", "--value", "-p", name, "watchkeeper")[1].strip()

    # As the person it runs as, who is the one with its token.
    product = ["setpriv", "--reuid=watchkeeper", "--regid=watchkeeper", "--clear-groups", PRODUCT]

    status, said = call(booted, "systemd-sysusers")
    assert status == 0, said
    ctl("daemon-reload")
    ctl("enable", "--now", "watchkeeper")
    until_up(booted, *product)
    assert ask(booted, *product, "status", "--json")["supervisor"] == int(shown("MainPID"))

    _, said = call(booted, "cat", f"/proc/{shown('MainPID')}/status")
    assert "CapBnd:\t0000000000000000\n" in said
    assert "NoNewPrivs:\t1\n" in said

    # With the unit's filter of system calls around it, which bubblewrap has none of.
    said = run_in_sandbox(booted, "hostname; grep Seccomp: /proc/self/status", *product)
    assert said.split() == ["sandbox", "Seccomp:", "2"]

    ctl("reload", "watchkeeper")
    until(lambda: "every process is started again" in call(booted, *product, "status")[1], booted)
    ctl("stop", "watchkeeper")
    assert (shown("Result"), shown("ExecMainStatus")) == ("success", "0")

    call(booted, "mv", "/etc/watchkeeper/watchkeeper.yaml", "/etc/watchkeeper/elsewhere.yaml")
    ctl("start", "watchkeeper")
    until(lambda: shown("ActiveState") == "failed", booted)
    assert (shown("ExecMainStatus"), shown("NRestarts")) == (str(REFUSED), "0")
