"""The pages for agents' frameworks, run with the real libraries, a scripted model and the real service."""

import json
import os
import re
import subprocess
import threading

import pytest

from tests.house.tree import ROOT
from tests.needs import need

PYTHON = ROOT / ".frameworks" / "bin" / "python"
PAGES = ["openai-agents", "pydantic-ai", "langchain"]
pytestmark = pytest.mark.long


def run(page: str, title: str, folder, confidence: float = 0.9) -> dict[str, object]:
    """Run the program of a page in the environment of the frameworks; returns what was said and done."""
    need(PYTHON.exists(), "the frameworks are not installed: `make frameworks`")
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text()
    (program,) = re.findall(r"^```python desk.py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (folder / "desk.py").write_text(program.replace("confidence=0.9", f"confidence={confidence}"))
    ran = subprocess.run(
        [PYTHON, ROOT / "tests" / "sdk" / "frameworks" / "scripted.py", page, title],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LANGSMITH_TRACING": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("page", PAGES)
def test_a_grant_lets_the_tool_run_once_and_a_stop_reaches_the_model_with_its_reasons(
    page, service, captain, tmp_path
):
    granted = run(page, "first", tmp_path)
    assert (granted["tickets"], granted["said"]) == (["first"], "told: opened first")
    made = captain.http.get("/v1/decisions").json()["decisions"]
    assert [each["status"] for each in made] == ["granted"]
    assert captain.outcome(made[0]["decision_id"])["ok"]

    captain.say("/v1/kill", scope="capability:heal", reason="it runs wild")
    refused = run(page, "second", tmp_path)
    assert refused["tickets"] == []
    assert "not allowed" in refused["said"]
    assert "stopped" in refused["said"] or "kill" in refused["said"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("word", "tickets"), [("approve", ["third"]), ("deny", [])])
def test_a_person_is_waited_for_and_their_word_counts(page, word, tickets, service, captain, tmp_path):
    need(PYTHON.exists(), "the frameworks are not installed: `make frameworks`")
    person = threading.Thread(
        target=lambda: captain.say(f"/v1/decisions/{captain.held()}/{word}"), daemon=True
    )
    person.start()
    said = run(page, "third", tmp_path, confidence=0.5)
    person.join()
    assert said["tickets"] == tickets
    assert ("not allowed" in said["said"]) == (word == "deny")
