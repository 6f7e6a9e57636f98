"""GOV.UK deployments: releases, pauses by people, and what history made of them."""

from collections import Counter

import pytest

from engine.core.vocabulary import facts as f
from engine.errors import RecordingError
from simulator.importers import import_source
from simulator.importers.govuk import ACTIONS, OPEN_EPISODES
from simulator.recording import Recording
from tests.importers.shared_data import needs

SOURCE, HERE = needs("govuk_deploys", "deployments.csv.gz")
COLUMNS = (
    "ts_utc,app,environment,kind,old_tag,new_tag,direction,automatic_deploys_enabled,promote_deployment,actor,"
    "commit,downgrades_within_15min"
)


def row(minute, environment="integration", **values):
    given = {
        "ts_utc": f"2024-05-01T{minute // 60:02}:{minute % 60:02}:00Z",
        "app": "shop",
        "environment": environment,
        "kind": "deploy",
        "old_tag": "v1",
        "new_tag": "v2",
        "direction": "up",
        "automatic_deploys_enabled": "true",
        "promote_deployment": "true",
        "actor": "bot",
        "commit": f"c{minute}",
        "downgrades_within_15min": "",
    } | values
    return ",".join(f'"{given[name]}"' for name in COLUMNS.split(","))


@pytest.fixture
def history(tmp_path):
    """Import rows and give summary and facts."""

    def make(*rows):
        path = tmp_path / "deployments.csv"
        path.write_text("\n".join((COLUMNS, *rows)) + "\n")
        summary = import_source("govuk", path, tmp_path / "a.wkr")
        return summary, [fact for _, fact in Recording(tmp_path / "a.wkr").facts()]

    return make


def tags(facts):
    return [fact.__struct_config__.tag for fact in facts]


def test_a_release_climbs_to_production(history):
    summary, facts = history(row(0), row(5, "staging"), row(9, "production"))
    step = ["proposal_received", "outcome_reported", "capability_promoted"]
    assert tags(facts) == [*step, *step, *step, "episode_closed"]
    proposals = [fact.proposal for fact in facts if isinstance(fact, f.ProposalReceived)]
    assert [(p.action, p.capability) for p in proposals] == [
        ("deploy_release", "shop/integration@v2"),
        ("promote_release", "shop/staging@v2"),
        ("promote_release", "shop/production@v2"),
    ]
    last = proposals[-1]
    assert (last.proposal_id, last.episode) == ("c9/shop/production", "shop@v2")
    assert last.args == {"app": "shop", "environment": "production", "tag": "v2", "from_tag": "v1"}
    assert (last.environment, last.confidence, last.impact.files, last.impact.api_calls) == (
        "production",
        1.0,
        1,
        1,
    )
    assert facts[-1].episode == "shop@v2"
    assert summary.rows == 3


def test_a_first_release_comes_from_nothing(history):
    _, facts = history(row(0, old_tag=""))
    assert facts[0].proposal.args["from_tag"] is None


def test_flags_pause_and_resume_before_the_row_is_read(history):
    _, facts = history(
        row(
            0,
            automatic_deploys_enabled="false",
            promote_deployment="false",
            actor="human",
            kind="flag_change",
        ),
        row(1, automatic_deploys_enabled="false", promote_deployment=""),
        row(2, "staging", kind="flag_change", automatic_deploys_enabled="false"),
        row(3, automatic_deploys_enabled=""),
        row(4, "production", kind="flag_change", promote_deployment="false"),
    )
    told = [
        (fact.__struct_config__.tag, fact.capability, fact.reason, fact.by)
        for fact in facts
        if isinstance(fact, f.RolloutPaused | f.RolloutResumed)
    ]
    assert told == [
        ("rollout_paused", "shop/integration", "automatic_deploys_enabled=false in integration", "human"),
        ("rollout_paused", "shop/staging", "promote_deployment=false in integration", "human"),
        ("rollout_resumed", "shop/staging", "promote_deployment=false in integration", "bot"),
        ("rollout_paused", "shop/staging", "automatic_deploys_enabled=false in staging", "bot"),
        ("rollout_resumed", "shop/integration", "automatic_deploys_enabled=false in integration", "bot"),
    ]
    assert tags(facts)[2:4] == ["rollout_resumed", "proposal_received"]


def test_odd_flags_are_counted_and_read_as_far_as_they_go(history):
    summary, facts = history(
        row(0, promote_deployment="True"),
        row(1, promote_deployment="false\\nmanual=1"),
        row(2, automatic_deploys_enabled="maybe"),
    )
    assert summary.warnings == (
        "automatic_deploys_enabled is 'maybe', taken as unset: once",
        "promote_deployment is 'True', taken as true: once",
        "promote_deployment is 'false\\\\nmanual=1', taken as false: once",
    )
    assert [fact.capability for fact in facts if isinstance(fact, f.RolloutPaused)] == ["shop/staging"]


def test_people_and_additions_promote_and_removals_demote(history):
    _, facts = history(
        row(0, kind="added", old_tag="", actor="human"),
        row(1, actor="human", new_tag="v3"),
        row(2, kind="removed", new_tag=""),
    )
    assert tags(facts) == ["capability_promoted", "capability_promoted", "capability_demoted"]
    assert (facts[1].capability, facts[1].by) == ("shop/integration@v3", "human")
    assert (facts[2].capability, facts[2].reason) == ("shop/integration", "removed from integration")


def released(minute, old, new, **values):
    return row(minute, "production", old_tag=old, new_tag=new, **values)


def test_an_isolated_return_to_an_earlier_release_is_a_failure_of_the_later(history):
    down = {"direction": "down", "downgrades_within_15min": "1"}
    _, facts = history(released(0, "", "v1"), released(10, "v1", "v2"), released(30, "v2", "v1", **down))
    (failed,) = [fact for fact in facts if isinstance(fact, f.OutcomeReported) and not fact.ok]
    assert (failed.proposal_id, failed.detail) == ("c10/shop/production", "rolled back to v1 after 20 min")
    assert failed.capability == "shop/production@v2"
    assert tags(facts)[facts.index(failed) + 1] == "proposal_received"


@pytest.mark.parametrize(
    ("old", "new", "values"),
    [
        ("v2", "v1", {"downgrades_within_15min": "38"}),
        ("v2", "v1", {"downgrades_within_15min": ""}),
        ("v2", "v0", {"downgrades_within_15min": "1"}),
        ("v9", "v1", {"downgrades_within_15min": "1"}),
        ("v2", "v1", {"downgrades_within_15min": "1", "direction": "unknown"}),
    ],
)
def test_other_downgrades_say_nothing_about_the_release(history, old, new, values):
    down = {"direction": "down"} | values
    _, facts = history(released(0, "", "v1"), released(10, "v1", "v2"), released(30, old, new, **down))
    assert all(fact.ok for fact in facts if isinstance(fact, f.OutcomeReported))


def test_a_release_that_was_overtaken_is_closed(history):
    _, facts = history(
        row(0, new_tag="v2"), row(1, new_tag="v3"), row(2, new_tag="v4"), released(3, "v1", "v3")
    )
    assert [fact.episode for fact in facts if isinstance(fact, f.EpisodeClosed)] == ["shop@v2", "shop@v3"]


def test_releases_that_never_arrive_are_forgotten(history):
    _, facts = history(*(row(n, new_tag=f"v{n}") for n in range(OPEN_EPISODES + 2)))
    assert [fact.episode for fact in facts if isinstance(fact, f.EpisodeClosed)] == ["shop@v0", "shop@v1"]


def test_ids_that_repeat_are_made_unique(history):
    summary, facts = history(row(0, commit="c"), row(1, commit="c"))
    ids = [fact.proposal.proposal_id for fact in facts if isinstance(fact, f.ProposalReceived)]
    assert ids == ["c/shop/integration", "c/shop/integration~2"]
    assert summary.warnings == ("rows with commit, app and environment of an earlier one: once",)


def test_rows_of_no_known_kind_are_read_for_their_flags(history):
    summary, facts = history(row(0, kind="party", promote_deployment="false"), row(1, new_tag=""))
    assert tags(facts) == ["rollout_paused", "rollout_resumed"]
    assert len(summary.warnings) == 2


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            row(0, ts_utc="yesterday"),
            r"row 2 \(line 3\): column 'ts_utc': 'yesterday' is not an ISO 8601 time",
        ),
        (row(0, ts_utc="2023-01-01T00:00:00Z"), r"row 2 .*earlier than the row before"),
        (row(5, environment="moon"), r"row 2 .*environment 'moon' .*integration, staging, production"),
        (row(5, app=""), r"row 2 .*the column 'app' is empty"),
        ("a,b", r"row 2 .*2 cells where there are 12 columns"),
        ('"a', r"line 3: not a table"),
    ],
)
def test_wrong_rows_are_refused(history, tmp_path, bad, said):
    with pytest.raises(RecordingError, match=said):
        history(row(1), bad)
    assert not (tmp_path / "a.wkr").exists()


def test_a_missing_column_lists_those_there_are(tmp_path):
    (tmp_path / "a.csv").write_text("ts_utc,app\n2024-05-01,shop\n")
    with pytest.raises(
        RecordingError, match=r"no column 'environment' \(the columns there are: ts_utc, app\)"
    ):
        import_source("govuk", tmp_path / "a.csv", tmp_path / "a.wkr")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    path = tmp_path_factory.mktemp("govuk") / "real.wkr"
    return import_source("govuk", SOURCE, path), Recording(path)


@HERE
def test_the_real_history_is_whole(real):
    summary, recording = real
    assert (summary.rows, recording.footer.source_rows) == (57_546, 57_546)
    assert summary.kinds["proposal_received"] == 24_729 + 16_753 + 15_749
    assert summary.kinds["capability_promoted"] == 57_239 + 99
    assert summary.kinds["capability_demoted"] == 22
    assert recording.footer.in_time_order
    assert len(summary.warnings) == 2, "three odd flag strings, of two kinds"
    assert recording.header.actions == ACTIONS
    taken_back = [f_ for _, f_ in recording.facts() if isinstance(f_, f.OutcomeReported) and not f_.ok]
    assert len(taken_back) == 14


@HERE
def test_real_pauses_alternate_with_resumes(real):
    _, recording = real
    held, most_open, open_episodes = Counter(), 0, set()
    for _, fact in recording.facts():
        match fact:
            case f.RolloutPaused(capability=capability, reason=reason):
                held[capability, reason] += 1
                assert held[capability, reason] == 1
            case f.RolloutResumed(capability=capability, reason=reason):
                held[capability, reason] -= 1
                assert held[capability, reason] == 0
            case f.ProposalReceived(proposal=proposal):
                open_episodes.add(proposal.episode)
                most_open = max(most_open, len(open_episodes))
            case f.EpisodeClosed(episode=episode):
                open_episodes.remove(episode)
    assert most_open < 38 * OPEN_EPISODES


@HERE
def test_two_imports_of_the_real_history_are_the_same_bytes(real, tmp_path):
    _, recording = real
    import_source("govuk", SOURCE, tmp_path / "again.wkr")
    assert (tmp_path / "again.wkr").read_bytes() == recording.path.read_bytes()
