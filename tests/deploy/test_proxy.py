"""The proxy in front: the real nginx, with our file, encrypts, passes the name on and holds nothing back."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.deploy.images import DEPLOY
from tests.house.tree import ROOT
from tests.needs import need
from tests.patience import PATIENCE_S

NAME = "watchkeeper.example.org"
# What a package of nginx has around our file, and what an ordinary account may write.
AROUND = """
daemon off; pid {home}/nginx.pid; error_log stderr;
events {{}}
http {{
    access_log {home}/access; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    include {home}/watchkeeper.conf;
}}
"""


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def replaced(text: str, **changes: str) -> str:
    """Replace words that must be there."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def behind_nginx(tmp_path: Path):
    """A service behind nginx; the port nginx listens on."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    need(nginx, "nginx is not installed")
    need(shutil.which("openssl"), "openssl is not installed")
    port, behind = free_port(), free_port()

    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    file = config / "watchkeeper.yaml"
    file.write_text(replaced(file.read_text(), **{"names: []": f"names: [{NAME}]", "8765": str(behind)}))

    key, certificate = tmp_path / "key", tmp_path / "certificate"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], capture_output=True, check=True)
    ours = replaced(
        (DEPLOY / "nginx" / "watchkeeper.conf").read_text(),
        **{
            "listen 443": f"listen 127.0.0.1:{port}",
            "127.0.0.1:8765": f"127.0.0.1:{behind}",
            "/etc/ssl/certs/watchkeeper.pem": str(certificate),
            "/etc/ssl/private/watchkeeper.key": str(key),
        },
    )
    (tmp_path / "watchkeeper.conf").write_text(ours)
    (tmp_path / "nginx.conf").write_text(AROUND.format(home=tmp_path))

    environment = os.environ | {"WATCHKEEPER_HOME": str(tmp_path / "state")}
    up = [sys.executable, "-m", "watchkeeper", "up", "--config", str(config)]
    with (tmp_path / "log").open("wb") as log:
        started = [
            subprocess.Popen(words, stdout=log, stderr=log, env=environment, cwd=ROOT)
            for words in (up, [nginx, "-p", tmp_path, "-c", tmp_path / "nginx.conf"])
        ]
        try:
            yield port
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                process.wait(timeout=PATIENCE_S)


@pytest.mark.deploy
@pytest.mark.slow
def test_nginx_in_front_passes_on_what_was_asked_and_logs_no_link(behind_nginx: int, tmp_path: Path):
    with httpx.Client(
        base_url=f"https://127.0.0.1:{behind_nginx}", verify=False, trust_env=False, timeout=PATIENCE_S
    ) as client:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = client.get("/v1/health", headers={"Host": NAME})
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                break
            assert time.monotonic() < until, answer and answer.text
            time.sleep(0.2)
        assert answer.json() == {"front": "ok", "engine": "ok"}

        other = client.get("/v1/health", headers={"Host": "other.example.org"})
        assert (other.status_code, other.json()["title"]) == (421, "This is not the host you asked for")

        without_token = client.get("/v1/status", headers={"Host": NAME})
        assert without_token.status_code == 401

        assert client.get("/e/secret", headers={"Host": NAME}).status_code == 404
        logged = (tmp_path / "access").read_text()
        assert ("/v1/status" in logged, "secret" in logged) == (True, False)
