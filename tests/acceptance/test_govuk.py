"""GOV.UK: every row is replayed, and nothing is promoted while a person has it on hold."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import DEPLOYMENTS
from tests.acceptance.whole import replay, rows_of

pytestmark = pytest.mark.long

ROWS = 57_546
BEFORE = {"staging": "integration", "production": "staging"}


@pytest.fixture(scope="session")
def deployments(govuk):
    """Each deployment a program made, in order: where to, and whether a person's pause was on.

    Worked out from the columns as the data's own page explains them, with nothing of the importer: an
    application in an environment is paused while `automatic_deploys_enabled` is false there, and held while
    `promote_deployment` is false in the environment before. Both stand in a row as they are after its change.
    """
    automatic: dict[tuple[str, str], bool] = {}
    promote: dict[tuple[str, str], bool] = {}
    found = []
    for row in rows_of(DEPLOYMENTS):
        app, environment = row["app"], row["environment"]
        automatic[app, environment] = row["automatic_deploys_enabled"].lower() != "false"
        promote[app, environment] = row["promote_deployment"].lower() != "false"
        if (row["kind"], row["actor"]) == ("deploy", "bot"):
            held = not promote.get((app, BEFORE.get(environment, "")), True)
            found.append((app, environment, row["new_tag"], not automatic[app, environment] or held))
    return found


@pytest.fixture(scope="session")
def decided(govuk):
    """Each decision in order: what it was about, the word, and whether it waits for a rollout to resume."""
    question = """select d.capability, d.environment, d.word, d.shadowed, exists (
            select 1 from objections o where o.track = 0 and o.seq = d.seq and o.rule = 'rollout.paused')
        from decisions d where d.track = 0 order by d.seq"""
    return govuk.ask(question)


def test_every_row_is_replayed(govuk):
    assert govuk.summary["rows_of_source"] == ROWS
    assert govuk.summary["finished"] is True
    assert f"source rows{ROWS:>14,}" in govuk.printed


def test_every_deployment_by_a_program_is_decided(deployments, decided):
    assert [f"{app}/{environment}@{tag}" for app, environment, tag, _ in deployments] == [
        capability for capability, *_ in decided
    ]


def test_no_promotion_is_allowed_while_a_human_pause_is_on(deployments, decided):
    paused = [
        word
        for (_, environment, _, on), (_, _, word, *_) in zip(deployments, decided, strict=True)
        if on and environment in BEFORE
    ]
    assert len(paused) > 2_000
    assert set(paused) <= {"hold", "deny"}


def test_nothing_is_held_for_a_pause_that_is_not_on(deployments, decided):
    wrong = [
        capability
        for (*_, on), (capability, _, _, _, waits) in zip(deployments, decided, strict=True)
        if waits != on
    ]
    assert wrong == []


def test_most_promotions_are_simply_allowed(deployments, decided):
    free = [word for (*_, on), (_, _, word, *_) in zip(deployments, decided, strict=True) if not on]
    assert free.count("allow") / len(free) > 0.9


def test_twice_gives_the_same_hashes_whatever_the_shards(govuk, tmp_path):
    assert replay(tmp_path / "again", f"govuk:{DEPLOYMENTS}", "--shards", "2").hashes == govuk.hashes
