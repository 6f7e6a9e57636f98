"""An agent's program that asks first loads nothing of the server."""

import os
import re
import subprocess
import sys
import tomllib

import pytest

import watchkeeper
from tests.house.tree import ROOT

_PROGRAM = """
import re, sys
blocked = set(sys.argv[1].split())
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is a package of the server")
sys.meta_path.insert(0, Block())
import watchkeeper
from watchkeeper import Client, governed
assert "httpx" not in sys.modules, "loaded when it is first used"
watchkeeper.AsyncClient
governed(action="a.b", capability="c@1")(lambda: None)
try:
    with Client(token="t", patience_s=0.1) as client:
        client.heartbeat()
except watchkeeper.Unreachable as error:
    print("no:", error)
assert all(getattr(watchkeeper, name) for name in watchkeeper.__all__)
"""
_OF_THE_SDK = {"httpx", "msgspec"}
_ALSO_OF_HTTPX = {"click", "rich", "pygments"}
"""Its own command line takes them where they are there."""
_CALLED_OTHERWISE = {"google-re2": "re2", "ruamel.yaml": "ruamel", "vl-convert-python": "vl_convert"}


def test_the_sdk_runs_without_any_package_of_the_server(tmp_path):
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[~=<>\[]", each)[0] for each in wanted}
    called = {_CALLED_OTHERWISE.get(name, name.removesuffix(".py").replace("-", "_")) for name in names}
    blocked = called - _OF_THE_SDK - _ALSO_OF_HTTPX
    assert {"pydantic", "fastapi", "apsw", "re2", "uvicorn"} <= blocked
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHKEEPER_")}
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM, " ".join(sorted(blocked))],
        env=environment | {"WATCHKEEPER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout[:3]) == (0, "no:"), ran.stderr


def test_a_name_that_is_not_there_is_said_so():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        watchkeeper.Nonsense  # noqa: B018 - looking it up is the test
