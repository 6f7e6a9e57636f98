"""What a fresh machine installs is what was tested, and no room of the house goes unnamed."""

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.checks import machine_paths
from tests.house.tree import PRODUCT, PYPROJECT, ROOT, hold, modules, project_files

NOT_PRODUCT = {"tests", "benchmarks"}
LOCKS = ["runtime", "dev", "build"]


def locked(name: str) -> dict[str, str]:
    """Read the versions a lock file pins."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return {canonicalize_name(n): v for n, v in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)}


def unmet(requirements: list[str], versions: dict[str, str]) -> list[str]:
    """Name each requirement that no locked version satisfies."""
    parsed = [Requirement(text) for text in requirements]
    found = [(r, versions.get(canonicalize_name(r.name))) for r in parsed]
    return [str(r) for r, version in found if version is None or version not in r.specifier]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_fits_pyproject(name):
    project, building = PYPROJECT["project"], PYPROJECT["build-system"]["requires"]
    running, developing = project["dependencies"], project["optional-dependencies"]["dev"]
    wanted = {"runtime": running, "dev": running + developing + building, "build": building}[name]
    hold(unmet(wanted, locked(name)), "pyproject.toml was changed and the lock was not: run `make lock`.")


def test_the_lock_check_can_fail():
    versions = {"rich": "14.2", "ruamel-yaml": "0.19.1"}
    assert unmet(["Rich~=15.0", "click", "ruamel.yaml~=0.19.0"], versions) == ["Rich~=15.0", "click"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name):
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    bare = [block.split()[0] for block in blocks if "--hash=sha256:" not in block]
    hold(bare, "Without a hash the index decides what runs on the next machine.")


def test_development_runs_what_ships():
    dev = locked("dev")
    shipping = locked("runtime") | locked("build")
    differing = [name for name, version in shipping.items() if dev.get(name) != version]
    hold(differing, "The tests would run other versions than people install: run `make lock`.")


def test_every_room_is_named():
    rooms = {module.path.partition("/")[0] for module in modules("") if "/" in module.path} - NOT_PRODUCT
    hold(
        rooms ^ set(PRODUCT),
        "A top-level folder with code and the import contracts' root_packages must name the same rooms.",
    )


def test_every_room_ships():
    shipped = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    hold(shipped ^ {*PRODUCT, "config"}, "What the tests use and what the wheel carries differ.")


def test_no_file_knows_one_machine():
    found = []
    for path in project_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a picture, a compressed recording
        found += [f"{path.relative_to(ROOT).as_posix()}: {complaint}" for complaint in machine_paths(text)]
    hold(found, "A path or a package index of one machine means nothing on the reader's.")


@pytest.mark.parametrize(
    "bad",
    [
        "cd " + "/work" + "/main",
        "x = '" + "/tmp" + "/out.json'",
        "--extra-index" + "-url there",
        "/root/" + ".cache",
    ],
)
def test_the_machine_path_check_can_fail(bad):
    assert machine_paths(bad)


@pytest.mark.parametrize(
    "good", ["engine/core/" + "work/actions.py", "protects /etc/** and /root/.ssh", "$TMP/tmp/x"]
)
def test_the_machine_path_check_knows_relative_paths(good):
    assert machine_paths(good) == []


def test_the_image_is_built_from_all_that_is_shipped():
    shipped = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    hold(sorted(shipped - let_in), "What .dockerignore keeps out is missing in the image, and only there.")
