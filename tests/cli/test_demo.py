"""`watchkeeper demo`: one command shows the main job, also where there is no screen and no network."""

import re
import sys

import pytest

from tests.cli.running import DEMO, ROOT, here, run

# Any attempt to reach the network, or to open a browser, ends the program.
_ALONE = """
import socket, sys, webbrowser
def refuse(*_words, **_named):
    raise SystemExit("it tried to leave the machine")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
webbrowser.open = webbrowser.get = refuse
from watchkeeper.cli import main
main(["demo", "--headless", "--quick"], prog_name="watchkeeper")
"""


# The whole demo without coverage, which would make it three times slower; other tests cover its lines.
WHOLE = pytest.mark.unmeasured


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The whole demo without a screen, as a person starts it, once: its folder and what it said."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("demo", "--headless", cwd=folder)


@pytest.fixture
def shown(told, place, monkeypatch):
    """What it said, with a copy of its folder as the current one."""
    folder, said = told
    monkeypatch.chdir(folder)
    return said


@WHOLE
def test_it_says_what_would_have_been_allowed_held_and_denied(shown):
    assert shown.returncode == 0, shown.stderr
    assert all(line.startswith("story: ") for line in shown.stderr.splitlines())
    for word in ("allow", "hold", "deny", "in shadow", "waiting"):
        assert re.search(rf"(?m)^  {word}\s+[\d,]+", shown.stdout), word
    for name in ("policy hash", "journal hash", "state hash"):
        assert re.search(rf"(?m)^  {name}\s+[0-9a-f]{{64}}$", shown.stdout), name
    assert "made up by simulator/world/week.py" in shown.stdout.lower()
    assert "recall" in shown.stdout


@WHOLE
def test_the_report_it_names_is_there_and_under_2_mb(shown, told):
    report = told[0] / re.search(r"(?m)^report: (.+)$", shown.stdout)[1]
    page = report.read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert 10_000 < report.stat().st_size < 2_000_000
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", page)


@WHOLE
def test_it_says_what_to_try_next_and_that_works(shown):
    named = shown.stdout[shown.stdout.index("Try next:") :]
    for command in ("explain", "replay", "import"):
        assert f"watchkeeper {command} " in named
    example = re.search(r"watchkeeper explain (d_[0-9a-f]+)", shown.stdout)[1]
    assert here("explain", example).exit_code == 0
    for command in re.findall(r"(?m)^  watchkeeper (\w+)", named):
        assert here(command, "--help").exit_code == 0


@WHOLE
def test_one_earns_its_authority_and_the_other_is_stopped_at_one_per_cent(shown):
    assert re.search(r"(?m)^restart-unhealthy@4\n(?:  .*\n)*  \S+  live ", shown.stdout)
    course = re.search(r"(?m)^scale-busy@1\n((?:  .*\n)+)", shown.stdout)[1]
    assert [line.split()[1] for line in course.splitlines()] == [
        "replayed",
        "shadow",
        "canary_1",
        "rolled_back",
    ]
    failed = int(re.search(r"canary (\d+) of", course)[1])
    assert 0 < failed <= 7
    recorded, again = re.search(
        r"transitions: (\d+) recorded, (\d+) re-derived byte for byte$", shown.stdout, re.MULTILINE
    ).groups()
    assert recorded == again


@WHOLE
def test_the_report_shows_the_evidence(told, shown):
    page = (told[0] / ".watchkeeper" / "reports" / "demo.html").read_text()
    assert "How authority was earned, and lost" in page
    assert "restart-unhealthy@4" in page
    assert "rolled back" in page


@WHOLE
def test_both_histories_have_their_kpis(told, shown):
    page = (told[0] / ".watchkeeper" / "reports" / "demo.html").read_text()
    assert shown.stdout.count("KPIs of autonomy at ") == 2
    assert re.search(r"(?m)^  met +success of autonomy +9\d\.\d %", shown.stdout)
    assert "KPIs of autonomy in that world" in page
    # Each with a value at some time has a picture of its course, and says in words what it shows.
    assert re.search(
        r'aria-label="value against the incumbent, from [^"]+ its target is at least -2\.0 points', page
    )


@WHOLE
def test_the_journal_of_the_story_stays_to_be_looked_at(shown):
    result = here("canary", "history", "scale-busy", "--journal", ".watchkeeper/demo-rollouts.db")
    assert result.exit_code == 0
    assert "canary_1 → rolled_back" in result.output


@WHOLE
def test_everything_it_made_lies_in_the_data_folder(shown, told):
    assert [path.name for path in told[0].iterdir()] == [".watchkeeper"]


@WHOLE
def test_the_command_it_names_replays_to_the_same(shown, place, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place / "home"))
    command = re.search(r"run it again: watchkeeper ((?:.*\\\n)*.*)\n", shown.stdout)[1]
    again = here(*command.replace("\\\n", " ").split())
    assert again.exit_code == 0
    assert set(re.findall(r"[0-9a-f]{64}", again.output)) == set(re.findall(r"[0-9a-f]{64}", shown.stdout))


def test_it_needs_no_network_and_opens_no_browser(place):
    import subprocess

    from tests.cli.running import environment

    done = subprocess.run(
        [sys.executable, "-c", _ALONE],
        cwd=place,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_names_its_recording_as_a_person_would_type_it(place, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place / "home"))
    monkeypatch.chdir(ROOT)
    assert here("demo", "--headless", "--quick").output.startswith(f"{DEMO.relative_to(ROOT)} (world)\n")
