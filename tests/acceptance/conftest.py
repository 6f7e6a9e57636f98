"""Whole histories of others, replayed once for all tests that look at them."""

from __future__ import annotations

import pytest

from tests.acceptance.whole import Outcome, once
from tests.importers.shared_data import DATA

RUNS = DATA / "agentdojo" / "agentdojo_runs.jsonl.xz"
DEPLOYMENTS = DATA / "govuk_deploys" / "deployments.csv.gz"


def present(path):
    if not path.exists():
        pytest.skip(f"../shared/data/{path.relative_to(DATA).as_posix()} is not here")
    return path


@pytest.fixture(scope="session")
def agentdojo(tmp_path_factory) -> Outcome:
    """AgentDojo, as the project's issue has it: imported, replayed and scored."""
    return once(tmp_path_factory, f"agentdojo:{present(RUNS)}", "--score", "--report", "out.html")


@pytest.fixture(scope="session")
def govuk(tmp_path_factory) -> Outcome:
    """GOV.UK, imported and replayed."""
    return once(tmp_path_factory, f"govuk:{present(DEPLOYMENTS)}")
