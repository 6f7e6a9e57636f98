"""What agents touched in a history is listed, and what is suggested is careful, explained and loadable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from engine.core.vocabulary.ids import ActionName, AgentId
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy
from simulator.discovery import Deeds, Use, folders
from simulator.suggesting import OFTEN, suggest, write
from tests.importers.logs import lines
from tests.shell.bypasses import BYPASSES, HARMLESS
from watchkeeper.cli import main

BAD = [text for texts in BYPASSES.values() for text in texts]


def transcript(calls):
    """A transcript of Claude Code: each `(tool, input, whether it failed)` a minute after the one before."""
    found = []
    for nth, (tool, asked, failed) in enumerate(calls):
        own = {"uuid": f"u{nth}", "sessionId": "s-1", "version": "2.1.0", "cwd": "/work", "parentUuid": None}
        use = {"type": "tool_use", "id": f"toolu_{nth}", "name": tool, "input": asked}
        at = f"2026-03-01T{10 + nth // 60:02}:{nth % 60:02}:00.000Z"
        found.append(
            own | {"type": "assistant", "timestamp": at, "message": {"role": "assistant", "content": [use]}}
        )
        back = {"type": "tool_result", "tool_use_id": f"toolu_{nth}", "content": "x", "is_error": failed}
        found.append(
            own
            | {"uuid": f"r{nth}", "type": "user", "timestamp": at.replace(":00.", ":30.")}
            | {"message": {"role": "user", "content": [back]}}
        )
    return lines(found)


@pytest.fixture
def discover(tmp_path):
    """Run the command on a transcript."""

    def run(calls, *words, code=0):
        path = tmp_path / "session.jsonl"
        path.write_bytes(transcript(calls))
        told = CliRunner().invoke(
            main,
            ["discover", f"claude-code:{path}", *words],
            env={"WATCHKEEPER_HOME": str(tmp_path / "home")},
        )
        assert told.exit_code == code, told.output
        return told.output

    return run


def bash(command, *, times=OFTEN, failed=False):
    return [("Bash", {"command": command}, failed)] * times


def test_what_was_touched_is_listed_and_a_habit_suggested(discover, tmp_path):
    calls = [
        *bash("make html"),
        *bash("npm run check", times=OFTEN - 1),
        *bash("tox -e py311", failed=True),
        *[("Read", {"file_path": f"src/deep/{nth}.py"}, False) for nth in range(30)],
        ("Write", {"file_path": "notes.md", "content": "x"}, False),
        ("WebFetch", {"url": "https://docs.example/a"}, False),
    ]
    said = discover(calls, "--json", str(tmp_path / "out.json"))
    assert "let `make html` run unasked" in said
    assert f"it ran {OFTEN} times on 2026-03-01, and never failed" in said
    assert "npm run check" in said, "it is listed"
    assert "let `npm run check`" not in said
    assert "let `tox" not in said
    assert "docs.example" in said
    found = json.loads((tmp_path / "out.json").read_bytes())
    (deeds,) = found["agents"].values()
    assert len(deeds["read"]) == 30
    assert deeds["written"] == {"notes.md": 1}
    assert found["suggested"]["allow"] - found["present"]["allow"] == OFTEN
    assert found["suggested"]["deny"] == found["present"]["deny"]


def test_what_is_written_loads_keeps_its_comments_and_lets_through_just_that(discover, tmp_path):
    target = tmp_path / "suggested"
    said = discover(bash("make html"), "--write", str(target))
    assert f"written: {target}" in said
    source = read_policy(target / "policies")
    reader = build_policy(source).risk.shell.reader
    assert reader.look("make html").word == "ok"
    assert reader.look("make html clean").word == "unsure"
    assert reader.look("make html; rm -rf /").word == "hit"
    before, after = (
        (SHIPPED_POLICY / "shell.yaml").read_text(),
        (target / "policies" / "shell.yaml").read_text(),
    )
    assert [line for line in before.splitlines() if line.startswith("#")] == [
        line for line in after.splitlines() if line.startswith("#")
    ]
    again = discover(bash("make html"), "--write", str(target), code=2)
    assert "there is something already" in again
    assert "Suggested" not in again, "it is said before all the work"
    again = discover(bash("make html"), "--policy", str(target / "policies"))
    assert "Nothing to suggest" in again


def test_a_history_of_nothing_says_so(discover):
    assert "No agent proposed anything" in discover([]) or "nothing" in discover([]).lower()


def test_what_is_no_history_is_refused_with_a_cure(tmp_path):
    told = CliRunner().invoke(main, ["discover", "claude-code:/no/such/folder"])
    assert told.exit_code == 2
    assert "check the path" in told.output


def deeds_of(actions=(), commands=()):
    return {
        AgentId("a"): Deeds(actions={ActionName(name): use for name, use in actions}, commands=dict(commands))
    }


@pytest.fixture(scope="module")
def source():
    return read_policy(SHIPPED_POLICY)


def test_what_people_turned_down_is_asked_about(source, tmp_path):
    (found,) = suggest(deeds_of([("cache.clear", Use(count=9, turned_down=2))]), source)
    assert (found.kind, found.why) == ("approval", "2 of 9 were turned down")
    write(source, [found], tmp_path / "p")
    assert build_policy(read_policy(tmp_path / "p" / "policies")).actions["cache.clear"].requires_approval


def test_what_the_registry_does_not_know_is_named_and_asked_about(source, tmp_path):
    (found,) = suggest(deeds_of([("rocket.launch", Use(count=1))]), source)
    assert found.why == "it was proposed once, and the registry does not know it"
    write(source, [found], tmp_path / "p")
    action = build_policy(read_policy(tmp_path / "p" / "policies")).actions["rocket.launch"]
    assert (action.kind, action.requires_approval, action.run) == ("write", True, None)


@pytest.mark.parametrize(
    "command",
    [
        "npm install left-pad", "npm publish", "cargo publish", "go get x", "yarn add x", "make deploy",
        "npx x", "python -m http.server", "python -c 'x'", "bash x.sh", "curl https://x", "make > out",
        "make; make", "make", "make -C .. test", "cargo run", "pytest /srv", "npm run lint --prefix x",
        "make SHELL=./x", "make $x", "make *.c", "git push", "docker run x", "sudo make test", "npm login",
        "make 'a b'",
    ],
)  # fmt: skip
def test_these_are_never_suggested_however_often_they_ran(source, command):
    assert suggest(deeds_of(commands=[(command, Use(count=1_000))]), source) == []


def test_no_harmful_or_doubtful_form_is_ever_suggested(source):
    found = suggest(deeds_of(commands=[(text, Use(count=1_000)) for text in BAD]), source)
    assert [
        each.what for each in found if each.entry["run"].split()[0] not in {"make", "npm", "pytest"}
    ] == []
    before = build_policy(source).risk.shell.reader
    assert [each for each in found if before.look(each.entry["run"]).word == "hit"] == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*BAD, *HARMLESS, "make docs", "npm run a", "tox -q", "make x y", "pytest -p z"]),
            st.integers(1, 20),
            st.integers(0, 1),
        ),
        max_size=12,
    )
)
def test_a_suggested_policy_lets_through_only_what_it_names(tmp_path_factory, uses):
    source = read_policy(SHIPPED_POLICY)
    commands = {text: Use(count=count, failed=failed) for text, count, failed in uses}
    found = suggest(deeds_of(commands=commands.items()), source)
    target = tmp_path_factory.mktemp("suggested") / "p"
    write(source, found, target)
    before, after = (
        build_policy(each).risk.shell.reader for each in (source, read_policy(target / "policies"))
    )
    named = {each.entry["run"] for each in found}
    for text in [*BAD, *commands]:
        was, now = before.look(text).word, after.look(text).word
        assert was == now or (was, now) == ("unsure", "ok"), text
        if was != now:
            assert commands[text].count >= OFTEN
            assert not commands[text].failed
            assert " ".join(text.split()) in named


def test_many_files_are_put_together_by_folder():
    files = {f"src/a/{nth}.py": 1 for nth in range(500)} | {f"src/b/{nth}/x.py": 2 for nth in range(500)}
    assert folders(files, most=5) == [("src/b", 500, 1_000), ("src/a", 500, 500)]


def test_entries_are_yaml_as_people_write_it(source, tmp_path):
    found = suggest(deeds_of(commands=[("make docs", Use(count=9))]), source)
    write(source, found, tmp_path / "p")
    text = (tmp_path / "p" / "policies" / "shell.yaml").read_text()
    assert YAML(typ="safe").load(text)["project"][-1] == {"run": "make docs"}
    assert Path(tmp_path / "p" / "actions.yaml").read_text().count("\n") > 100


def test_what_lies_in_a_protected_place_is_told_apart(discover):
    said = discover([
        ("Write", {"file_path": "app/.env", "content": "x"}, False),
        ("Read", {"file_path": "keys/a.pem"}, False),
        ("Read", {"file_path": "keys/a.txt"}, False),
    ])  # fmt: skip
    told = [line.split() for line in said.splitlines()]
    assert ["app/.env", "it", "holds", "secrets", "1"] in told
    assert ["keys/a.pem", "it", "is", "a", "private", "key", "or", "certificate", "1"] in told
    assert not any(line[:1] == ["keys/a.txt"] and "key" in line for line in told)


def test_the_busiest_hour_stands_beside_its_limit(discover):
    calls = [("Write", {"file_path": f"a{nth}.txt", "content": "x"}, False) for nth in range(90)]
    told = [line.split() for line in discover(calls).splitlines()]
    assert ["changed", "files", "in", "an", "hour", "60", "50"] in told, "one a minute, in any hour 60"


def test_a_suggestion_says_from_when_to_when_it_was_seen(source):
    day = 24 * 3600 * 1_000_000
    use = Use(count=9, first_us=day, last_us=3 * day)
    (found,) = suggest(deeds_of(commands=[("make docs", use)]), source)
    assert "9 times from 1970-01-02 to 1970-01-04" in found.why
