"""The worked examples in docstrings are true: each is run as it stands."""

import doctest
import importlib
import re

import pytest

from tests.house.tree import modules, product_modules

WITH_EXAMPLES = [
    module
    for module in (*product_modules(), *modules("tests/"))
    if re.search(r"^ *>>> ", module.text, re.MULTILINE)
]


@pytest.mark.parametrize("module", WITH_EXAMPLES, ids=lambda m: m.path)
def test_docstring_examples_give_what_they_show(module):
    failed, tried = doctest.testmod(importlib.import_module(module.dotted))
    assert failed == 0, "the printed lines above show what the docstring promises and what it really gives"
    assert tried > 0, "this module shows an example that doctest does not find: put it in a docstring"


def test_there_are_examples_to_run():
    assert WITH_EXAMPLES
