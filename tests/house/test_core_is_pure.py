"""The core decides the same thing for the same facts, anywhere, at any time, because it can see no more."""

import ast

import pytest

from tests.house.checks import impurities, undocumented
from tests.house.tree import CORE, complaints, hold, modules


def test_core_reads_nothing_but_facts():
    hold(
        complaints(modules(CORE), lambda module: impurities(module.tree)),
        "The same facts must give the same decisions in replay, in shadow and live. Whatever reads the "
        "clock, chance, the machine or the event loop breaks that. Let it arrive as a fact, or put it "
        "behind a port.",
    )


def test_everything_public_in_the_core_is_explained():
    hold(
        complaints(modules(CORE), lambda module: undocumented(module.tree)),
        "People read the core to learn why something was decided: every public name says what it is, in "
        "which unit, and what None means.",
    )


def test_the_core_has_modules_to_check():
    assert len(modules(CORE)) > 5, "the core was moved or is not read: the two checks above held nothing"


@pytest.mark.parametrize(
    "bad",
    [
        "import time",
        "import os.path",
        "from random import choice",
        "import numpy",
        "from pydantic import BaseModel",
        "from simulator import replay",
        "from . import gates",
        "def f():\n    import uuid",
        "from datetime import datetime as d\nx = d.now()",
        "import datetime\nx = datetime.date.today()",
        "import datetime\nx = datetime.datetime.fromtimestamp(0)",
        "x = open('f')",
        "x = hash('text')",
        "async def f(): ...",
        "def f():\n    global x\n    x = 1",
    ],
)
def test_the_purity_check_can_fail(bad):
    assert impurities(ast.parse(bad))


@pytest.mark.parametrize(
    "good",
    [
        "import hashlib, math, re2\nfrom msgspec import Struct\nfrom engine.core.vocabulary import ids",
        "def f(state): return state.now",
        "import datetime\nx = datetime.datetime.fromtimestamp(0, tz=datetime.UTC)",
        "x = table.hash",
    ],
)
def test_the_purity_check_lets_pure_code_pass(good):
    assert impurities(ast.parse(good)) == []


def test_the_docstring_check_can_fail():
    snippet = '"""A."""\nclass B:\n    """C."""\n    def d(self): ...\n    def _e(self): ...\ndef f(): ...\n'
    assert undocumented(ast.parse(snippet)) == ["line 4: d", "line 6: f"]
    assert undocumented(ast.parse("x = 1")) == ["line 1: the module itself"]
