"""Whatever is wrong with people, schedules or ladders, one line says where, what, and what to do about it."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

WRONG = YAML(typ="safe").load(Path(__file__).with_name("wrong_ladders.yaml"))


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_one_wrong_thing_is_named_with_its_line_and_cure(folder, case):
    folder.edit(case["file"], case["old"], case["new"])
    if case.get("good"):
        assert folder.read().settings.ladders
        return
    name = case.get("at", case["file"])
    line = folder.line_of(name, case["line"])
    assert folder.complaint() == f"{name}.yaml:{line}: {case['said']}"
