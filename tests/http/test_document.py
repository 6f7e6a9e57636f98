"""The API keeps to its own OpenAPI document, whatever it is sent: schemathesis tries."""

import json
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import assume
from schemathesis.config import SchemathesisConfig

from bot.http_api.decisions import EXAMPLE
from engine.adapters.token_file import TokenFile
from tests.http.placing import GRANTED, Place
from tests.http.waking import ladders, roster
from tests.patience import PATIENCE_S

# The same tries every time, so that a failure is the change's and not the day's.
CONFIG = {
    "seed": 20_261_125,
    "generation": {"max-examples": 12, "deterministic": True, "database": "none"},
    "phases": {
        "examples": {"enabled": True},
        "coverage": {"enabled": True},
        "fuzzing": {"enabled": True},
        "stateful": {"enabled": False},
    },
    "checks": {
        # What is well formed may still meet a world that is otherwise: no such decision, no such stop.
        "positive_data_acceptance": {"expected-statuses": [200, 201, 202, 204, 403, 404, 409]},
        # A token of the other kind is refused before what is wrong with a request is looked at.
        "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 406, 409, 413, 415, 422]},
    },
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Engine and API with one decision in the journal, the one that the document's examples are about."""
    home = tmp_path_factory.mktemp("document")
    place = Place(home, TokenFile(home / "tokens.json"))
    place.token["coder-1"] = place.tokens.create(kind="agent", name="coder-1")[1]
    place.token["cat"] = place.tokens.create(kind="person", name="cat", role="captain")[1]
    place.token["lap"] = place.tokens.create(kind="body", name="lap")[1]
    values = {"requests_per_s": 100_000, "most_body_bytes": 1 << 20, "roster": roster()}
    with place.served(ladders=ladders(), **values) as url:
        headers = place.bearer("coder-1") | {"Idempotency-Key": "ticket-17.step-3"}
        made = httpx.post(f"{url}/v1/proposals", json=GRANTED, headers=headers, timeout=PATIENCE_S).json()
        assert made["decision_id"] == EXAMPLE
        yield place, url
    place.close()


def document():
    """The document, as the API would serve it."""
    nowhere = Path("nowhere")
    return json.loads(json.dumps(Place(nowhere, TokenFile(nowhere)).app().openapi()))


_FRAMING = {"transfer-encoding", "content-length"}

# An endless answer cannot be checked whole; tests/http/test_serving.py and test_bodies_http.py follow these.
tried = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.from_dict(CONFIG)).exclude(
    operation_id=["stream", "body_stops"]
)


@pytest.mark.slow
@tried.parametrize()
def test_the_api_keeps_to_its_document(case, running):
    place, url = running
    # What frames a message is HTTP's own: where it is wrong there is no request, and no route to answer.
    assume(not _FRAMING & {name.casefold() for name in case.headers or {}})
    tags = case.operation.definition.raw["tags"]
    who = "coder-1" if "agents" in tags else "lap" if "bodies" in tags else "cat"
    if who == "lap" and isinstance(case.body, dict) and is_a_wait(case.body.get("wait_s")):
        # Whatever it is, nobody waits for it.
        case.body["wait_s"] = 0
    case.call_and_validate(base_url=url, headers=place.bearer(who), timeout=PATIENCE_S)


def is_a_wait(given):
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 30


def test_the_document_is_served_as_it_is(running):
    _, url = running
    assert httpx.get(f"{url}/openapi.json", timeout=PATIENCE_S).json() == document()
    assert httpx.get(f"{url}/docs", timeout=PATIENCE_S).status_code == 404, (
        "its scripts would come from the internet"
    )
