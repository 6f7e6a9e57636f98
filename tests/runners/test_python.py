"""Functions are called in an interpreter of their own, with JSON in and JSON out, and cannot reach ours."""

from pathlib import Path

import pytest

from engine.adapters.runner_python import PythonRunner
from engine.core.vocabulary.actions import Action
from engine.errors import PolicyError
from tests.runners.programs import Workshop

MODULE = '''
"""Things to call."""
import os, pathlib, sys, asyncio

def add(a, b=1):
    print("adding")
    os.system("echo from a child")
    return {"sum": a + b, "text": "Zoë"}

async def slowly(a):
    await asyncio.sleep(0.01)
    return a

def fail():
    raise ValueError("no good")

def write(name, text):
    pathlib.Path(name).write_text(text)

def write_preview(name, text):
    pathlib.Path("tried").write_text("")

def rename(old, new):
    pathlib.Path(old).rename(new)

def rename_preview(old, new):
    return f"{old} becomes {new}"

def strange():
    return object()

def chatty():
    return "x" * 200_000

def leave():
    os._exit(0)

class Service:
    @staticmethod
    def restart(name):
        return f"{name} restarted"

def imported():
    return sorted(name for name in sys.modules if name.split(".")[0] in ("engine", "msgspec"))

def told():
    return sorted(os.environ)
'''


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with a module to call, outside the workspace."""
    folder = tmp_path / "library" / "ours"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "things.py").write_text(MODULE)
    return folder.parent


def calls(shop: Workshop, library: Path, function: str, **settings: object) -> Action:
    """Make an action that calls a function of the library."""
    return shop.action("python", entry_point=f"ours.things:{function}", path=[str(library)], **settings)


@pytest.mark.asyncio
async def test_a_function_gets_its_arguments_and_its_answer_comes_back(
    everywhere: Workshop, library: Path
) -> None:
    runner, action = everywhere.make(PythonRunner), calls(everywhere, library, "add")
    runner.check(action)
    result = await runner.perform(everywhere.job(action, a=2, b=3))
    assert result.success, result.error
    answer, heading, *printed = result.output.splitlines()
    assert (answer, heading) == ('{"sum": 5, "text": "Zoë"}', "[errors]")
    assert sorted(printed) == ["adding", "from a child"]
    assert result.error == ""


@pytest.mark.asyncio
async def test_coroutines_and_methods_can_be_called_too(shop: Workshop, library: Path) -> None:
    runner = shop.make(PythonRunner)
    assert (await runner.perform(shop.job(calls(shop, library, "slowly"), a=[1, None]))).output == "[1, null]"
    result = await runner.perform(shop.job(calls(shop, library, "Service.restart"), name="db"))
    assert result.output == '"db restarted"'


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("function", "args", "said"),
    [
        ("fail", {}, "ValueError: no good"),
        ("add", {"c": 1}, "TypeError"),
        ("missing", {}, "AttributeError"),
        ("strange", {}, "the function's answer is not JSON"),
        ("leave", {}, "it ended without an answer"),
        ("chatty", {}, "its answer is longer than what is kept"),
    ],
)
async def test_what_goes_wrong_within_is_a_result(
    function: str, args: dict, said: str, shop: Workshop, library: Path
) -> None:
    result = await shop.make(PythonRunner).perform(shop.job(calls(shop, library, function), **args))
    assert not result.success
    assert said in result.error


@pytest.mark.asyncio
async def test_a_missing_module_is_a_result(shop: Workshop) -> None:
    action = shop.action("python", entry_point="no.such:thing")
    result = await shop.make(PythonRunner).perform(shop.job(action))
    assert "ModuleNotFoundError" in result.error


@pytest.mark.asyncio
async def test_nothing_of_ours_is_imported_or_told(
    everywhere: Workshop, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WK_TEST_TOKEN", "secret")
    runner = everywhere.make(PythonRunner)
    assert (await runner.perform(everywhere.job(calls(everywhere, library, "imported")))).output == "[]"
    told = (await runner.perform(everywhere.job(calls(everywhere, library, "told")))).output
    assert "PATH" in told
    assert "WK_TEST_TOKEN" not in told


@pytest.mark.asyncio
async def test_a_module_in_the_workspace_does_not_take_another_ones_place(
    shop: Workshop, library: Path
) -> None:
    (shop.workspace / "json.py").write_text("raise SystemExit('mine now')")
    (shop.workspace / "ours.py").write_text("raise SystemExit('mine now')")
    result = await shop.make(PythonRunner).perform(shop.job(calls(shop, library, "add"), a=1))
    assert result.success


@pytest.mark.asyncio
async def test_a_preview_asks_the_functions_own_dry_run(everywhere: Workshop, library: Path) -> None:
    runner, action = everywhere.make(PythonRunner), calls(everywhere, library, "rename")
    result = await runner.preview(everywhere.job(action, old="a", new="b"))
    assert result.success, result.error
    assert "would call: ours.things:rename(old='a', new='b')" in result.output
    assert "would do: a becomes b" in result.output


@pytest.mark.asyncio
async def test_a_preview_without_one_says_what_would_be_called_and_calls_nothing(
    shop: Workshop, library: Path
) -> None:
    result = await shop.make(PythonRunner).preview(shop.job(calls(shop, library, "fail")))
    assert result.success
    assert "would call: ours.things:fail()" in result.output
    assert "would do" not in result.output


@pytest.mark.asyncio
async def test_a_preview_finds_arguments_that_do_not_fit(shop: Workshop, library: Path) -> None:
    result = await shop.make(PythonRunner).preview(shop.job(calls(shop, library, "rename"), old="a"))
    assert not result.success
    assert "missing a required argument" in result.error


@pytest.mark.asyncio
async def test_a_dry_run_that_is_not_dry_changes_nothing(everywhere: Workshop, library: Path) -> None:
    action = calls(everywhere, library, "write")
    result = await everywhere.make(PythonRunner).preview(everywhere.job(action, name="x", text="y"))
    assert not result.success
    assert list(everywhere.workspace.iterdir()) == []


@pytest.mark.asyncio
async def test_what_a_function_wrote_can_be_taken_back(shop: Workshop, library: Path) -> None:
    runner, action = shop.make(PythonRunner), calls(shop, library, "write", undo="workspace")
    result = await runner.perform(shop.job(action, name="x", text="y"))
    assert result.output == "null\n[changed: x created]"
    await runner.undo(shop.job(action, "effect-2"), "effect-1", force=False)
    assert list(shop.workspace.iterdir()) == []


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"entry_point": "module.function"},
        {"entry_point": "module:func tion"},
        {"entry_point": "os:system", "path": ["relative"]},
        {"entry_point": "os:system", "argv": ["x"]},
    ],
)
def test_wrong_settings_are_found_when_the_registry_is_loaded(settings: dict, shop: Workshop) -> None:
    with pytest.raises(PolicyError):
        shop.make(PythonRunner).check(shop.action("python", **settings))
