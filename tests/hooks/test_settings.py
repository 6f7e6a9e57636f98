"""Settings that people wrote are changed in exactly one place, and given back as they were."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from tests.hooks.agents_at_work import AGENTS
from watchkeeper.hook_settings import installed, is_installed, uninstalled
from watchkeeper.jsonc import added, scan, without

WRITTEN = """{
  // what I like
  "theme": "dark", /* really */
  "hooks": {
    "Stop": [{"hooks": [{"type": "command", "command": "beep"}]}], // when done
  },
  "last": [1, 2,],
}
"""


def commands(agent, home="/srv/shop/.watchkeeper"):
    hook = f"/v/bin/python -I /v/bin/watchkeeper hook {agent} --home {home}"
    return dict.fromkeys(("before", "after"), f"/bin/sh -c '{hook} || exit 2'")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ("[]", []),
        (' // a\n{"a": 1} /* b */ ', {"a": 1}),
        ('{"a": [1, 2.5, -3e2, true, false, null,],}', {"a": [1, 2.5, -300.0, True, False, None]}),
        ('{"//": "/* no comment */"}', {"//": "/* no comment */"}),
        ('"\\u00e4"', "ä"),
    ],
)
def test_json_with_comments_is_read(text, value):
    assert scan(text, "x").value == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("{", 1),
        ('{"a": 1\n"b": 2}', 2),
        ('{\n"a" 1}', 2),
        ('{"a": 1,\n"a": 2}', 2),
        ("{}\n{}", 2),
        ("[1\n,,2]", 2),
        ("{'a': 1}", 1),
        ("[/* never ends", 1),
        ("[" * 200 + "]" * 200, 1),
        ("[01]", 1),
        ("[NaN]", 1),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(text, line):
    with pytest.raises(InputError) as wrong:
        scan(text, "settings.json")
    assert wrong.value.place == f"settings.json:{line}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, 1, 4, "\t"]))
def test_all_json_is_read_as_json_reads_it(value, indent):
    assert scan(json.dumps(value, indent=indent), "x").value == value


@given(
    st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    st.lists(st.text(max_size=5), min_size=1, max_size=3),
    JSON,
    st.sampled_from([None, 2, "\t"]),
)
def test_what_is_added_is_there_and_can_be_taken_out_again(value, path, item, indent):
    """Where something else stands at the path already, it is refused, and never overwritten."""
    text = json.dumps(value, indent=indent)
    try:
        more = added(text, "x", tuple(path), item)
    except InputError:
        return
    found, expected = scan(more, "x").value, json.loads(text)
    at, inner = found, expected
    for name in path[:-1]:
        at, inner = at[name], inner.setdefault(name, {})
    assert at[path[-1]][-1] == item
    inner.setdefault(path[-1], []).append(item)
    assert found == expected
    had = json.loads(text)
    for name in path:
        had = had.get(name) if isinstance(had, dict) else None
    if had:
        # Taken out again, it is what it was; emptied containers go as well.
        assert scan(without(more, "x", tuple(path), len(had)), "x").value == json.loads(text)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("text", ["", "{}", "{ }\n", '{"theme": "dark"}', WRITTEN])
def test_what_is_installed_and_taken_out_leaves_what_was_there(agent, text):
    with_hook = installed(text, "x", agent, commands(agent), 25)
    assert is_installed(with_hook, "x", agent)
    assert not is_installed(text or "{}", "x", agent)
    assert installed(with_hook, "x", agent, commands(agent), 25) == with_hook
    left = uninstalled(with_hook, "x", agent)
    assert not is_installed(left, "x", agent)
    was = scan(text, "x").value if text else {}
    assert {name: value for name, value in scan(left, "x").value.items() if name != "version"} == was
    for comment in ("// what I like", "/* really */", "// when done"):
        assert (comment in left) == (comment in text)


@pytest.mark.parametrize("agent", AGENTS)
def test_a_hook_of_an_earlier_place_is_replaced(agent):
    before = installed(WRITTEN, "x", agent, commands(agent, "/old"), 25)
    after = installed(before, "x", agent, commands(agent), 25)
    assert "/old" not in after
    assert after == installed(WRITTEN, "x", agent, commands(agent), 25)


def test_hooks_of_others_stay(project):
    path = project.folder / ".claude" / "settings.json"
    settings = json.loads(path.read_text())
    mine = {"matcher": "Bash", "hooks": [{"type": "command", "command": "mine"}]}
    settings["hooks"]["PreToolUse"].append(mine)
    path.write_text(json.dumps(settings))
    project.cli("hook", "uninstall", "claude", "--yes")
    assert json.loads(path.read_text())["hooks"] == {"PreToolUse": [mine]}
    (kept,) = path.parent.glob("settings.json.*.bak")
    assert json.loads(kept.read_text()) == settings
    assert "does not call the hook" in project.cli("hook", "uninstall", "claude", "--yes")


@pytest.mark.parametrize("agent", AGENTS)
def test_taking_it_out_only_shows_first(project, agent):
    name = "settings.json" if agent in {"claude", "gemini"} else "hooks.json"
    path = project.folder / f".{agent}" / name
    before = path.read_bytes()
    assert "-" in project.cli("hook", "uninstall", agent, "--dry-run")
    assert path.read_bytes() == before
    project.cli("hook", "uninstall", agent, "--yes")
    assert b"watchkeeper" not in path.read_bytes()
    # The token stays, for whoever installs it again.
    assert (project.home / "hooks" / f"{agent}.token").exists()
