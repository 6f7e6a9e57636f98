"""Configuration explains itself: who opens a file in the night finds the meaning beside the value."""

from tests.house.checks import uncommented_keys
from tests.house.tree import ROOT, hold, project_files

CONFIG = [path for path in project_files() if path.is_relative_to(ROOT / "config") and path.suffix == ".yaml"]


def test_every_key_is_commented():
    hold(
        [
            f"{path.relative_to(ROOT).as_posix()}: {complaint}"
            for path in CONFIG
            for complaint in uncommented_keys(path.read_text())
        ],
        "Each key needs a comment on its line, right above it, or one that names it: what it does, its unit, "
        "and what happens without it.",
    )


def test_config_is_data_only():
    hold(
        [
            path.relative_to(ROOT).as_posix()
            for path in project_files()
            if path.is_relative_to(ROOT / "config") and path.suffix not in {".yaml", ".toml", ".md"}
        ],
        "config/ is data that people edit; code that reads it lives in engine/settings.",
    )


def test_there_is_configuration_to_check():
    assert CONFIG, "no YAML file below config/: it was moved, and the checks above held nothing"


def test_the_comment_check_can_fail():
    text = "# How long, in seconds.\nwindow_s: 60\nmost: 5\nname: 'a # b'\nper: agent  # or all\n"
    assert uncommented_keys(text) == ["line 3: most", "line 4: name"]
    assert uncommented_keys("# What destroys.\ndestructive:\n  - id: a\n") == ["line 3: id"]


def test_a_repeated_key_is_explained_once():
    text = "# kind: what it is; `risk`: how bad a mistake would be.\n# All there is.\nactions:\n"
    text += "  restart: {kind: shell, risk: LOW, summary: Restart it.}\n  stop: {kind: shell, risk: HIGH}\n"
    assert uncommented_keys(text) == ["line 4: summary", "line 5: stop"]


def test_a_block_speaks_for_its_plain_values():
    assert uncommented_keys("# Points by level.\nlevels:\n  LOW: 1\n  deep: {HIGH: 2}\n") == [
        "line 4: deep",
        "line 4: HIGH",
    ]
