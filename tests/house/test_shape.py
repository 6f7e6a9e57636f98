"""Files a person can hold in the head, finished, and honest about what they silence."""

import ast

import pytest

from tests.house.checks import imported_roots, prints, shadowing, silencers, unfinished
from tests.house.tree import PRODUCT, complaints, hold, modules, product_modules

MOST_LINES = 450
EVERYWHERE = modules(*(f"{room}/" for room in PRODUCT), "tests/", "benchmarks/")


def overlong(text: str) -> list[str]:
    """Complain about a file of more lines than one idea needs."""
    lines = text.count("\n")
    return [f"{lines} lines"] if lines > MOST_LINES else []


def test_a_file_holds_one_idea():
    hold(
        complaints(EVERYWHERE, lambda module: overlong(module.text)),
        "Past about 400 lines there is a second idea in a file. Name both, and give each its own.",
    )


def test_silenced_tools_say_why():
    hold(
        complaints(EVERYWHERE, lambda module: silencers(module.text)),
        "What we tell a tool to overlook, the next reader must be able to judge.",
    )


def test_nothing_ships_unfinished():
    hold(
        complaints(product_modules(), lambda module: unfinished(module.tree, module.text)),
        "People will trust this at night with production: what is not there is left out, and said in the "
        "CHANGELOG.",
    )


def test_the_engine_does_not_print():
    hold(
        complaints(modules("engine/"), lambda module: prints(module.tree)),
        "The engine has many front-ends and owns no screen: return it, or raise an error that carries its "
        "cure.",
    )


def test_no_module_is_called_like_a_package_we_import():
    ours = set(PRODUCT) | {"tests", "benchmarks"}
    roots = set().union(*(imported_roots(module.tree) for module in EVERYWHERE)) - ours
    # The core's room has the field's own word; of the standard library's module only benchmarks know.
    roots -= {"statistics"}
    hold(
        shadowing([module.path for module in product_modules()], roots),
        "`import docker` in a folder with a docker.py is a riddle, and with some launchers another module.",
    )


def test_the_size_check_can_fail():
    assert overlong("x\n" * (MOST_LINES + 1)) == ["451 lines"]
    assert overlong("x\n" * MOST_LINES) == []


def test_the_shadowing_check_can_fail():
    roots = imported_roots(ast.parse("import docker.errors\nfrom rich import box\nfrom . import local"))
    assert roots == {"docker", "rich"}
    paths = ["engine/adapters/docker.py", "engine/rich/box.py", "engine/adapters/local.py"]
    assert len(shadowing(paths, roots)) == 2


@pytest.mark.parametrize(
    "bad",
    [
        "x = f()  # type: ignore",
        "x = f()  # type: ignore[attr-defined]",
        "x = f()  # noqa",
        "x = f()  # noqa: S603",
        "try:\n    pass\nexcept:\n    pass",
    ],
)
def test_the_silencer_check_can_fail(bad):
    assert silencers(bad)


@pytest.mark.parametrize(
    "good",
    [
        "x = f()  # type: ignore[attr-defined]  # the stub lags behind the library",
        "x = f()  # noqa: S603 - the arguments are ours",
        "x = f()  # noqa: BLE001, S110  a gate that raises counts as a hold",
        "x = '# noqa'",
        "try:\n    pass\nexcept ValueError:\n    pass",
    ],
)
def test_the_silencer_check_lets_reasons_pass(good):
    assert silencers(good) == []


@pytest.mark.parametrize("bad", ["x = 1  # TODO later", "def f():\n    raise NotImplementedError"])
def test_the_unfinished_check_can_fail(bad):
    assert unfinished(ast.parse(bad), bad)


def test_the_print_check_can_fail():
    assert prints(ast.parse("def f():\n    print('x')")) == ["line 2: print"]
    assert prints(ast.parse("console.print('x')")) == []
