"""The actions that pages show can be pasted: each loads as it stands."""

import re

import pytest
from ruamel.yaml import YAML

from engine.settings.policy import ActionEntry
from tests.house.tree import ROOT, project_files

PAGES = [path for path in project_files() if path.suffix == ".md" and path.is_relative_to(ROOT / "docs")]


def actions(page: str) -> dict[str, object]:
    """Read every action of a page's examples, by name."""
    found: dict[str, object] = {}
    for example in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        read = YAML(typ="safe").load(example)
        entries = read.get("actions", read) if isinstance(read, dict) else {}
        found |= {
            name: entry for name, entry in entries.items() if isinstance(entry, dict) and "run" in entry
        }
    return found


SHOWN = [
    pytest.param(entry, id=f"{path.name}: {name}")
    for path in PAGES
    for name, entry in actions(path.read_text()).items()
]


@pytest.mark.parametrize("entry", SHOWN)
def test_an_action_that_a_page_shows_loads(entry):
    ActionEntry.model_validate(entry)


def test_pages_show_some():
    assert len(SHOWN) >= 4
