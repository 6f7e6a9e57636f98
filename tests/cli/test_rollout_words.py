"""What the terminal says of rollouts: shadow, canaries and plans, in words and as JSON."""

import itertools
import json

import pytest
from msgspec import structs

from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.rollouts import RolloutPlan, SeriesLimit
from engine.core.work.rollout.showing import show, under_way
from engine.ports import Entry
from tests.cli.running import here
from tests.courses import NAME, NEW, OLD, QUICK, Course
from watchkeeper.commands_canary import plan_lines, shadow_parts, standing_parts
from watchkeeper.tables import plain


def lines_of(parts):
    return plain(parts).splitlines()


def shown(course):
    return show(course.loop.state.rollouts, NAME, course.now_us)


def test_a_shadow_report_groups_differences_and_asks_for_a_second_run():
    course = Course().to("shadow")
    for number in range(6):
        args = {"service": "api"} if number < 2 else {"service": "web"}
        course.episode(f"e-{number}", args=args)
    lines = lines_of(shadow_parts(shown(course)))
    assert lines[0] == "heal@2 beside heal@1: 6 episodes compared, 2 (33.3%) differ"
    assert lines[1] == "nobody knows how much of that is noise: run the incumbent twice, as heal@1+twin"
    assert lines[2].split() == ["episodes", "went", "wrong", "how", "they", "differ", "such", "as"]
    assert lines[3].startswith("         2           0  the same action with other arguments  e-")


def test_a_second_run_of_the_incumbent_is_shown_as_noise():
    course = Course().to("shadow")
    for number in range(4):
        course.propose(f"e-{number}", f"{OLD}+twin", args={"service": "web" if number else "api"})
        course.episode(f"e-{number}")
    assert lines_of(shadow_parts(shown(course)))[1] == (
        "the incumbent ran twice in 4 and differed from itself in 1 (25.0%): that much is noise"
    )


def test_people_as_incumbents_are_not_asked_to_run_twice():
    lines = shadow_parts(shown(Course(established=()).to("shadow")))
    assert lines[1] == "nobody knows how much of that is noise: people cannot be run twice"


def test_what_is_not_in_shadow_has_no_report():
    assert shadow_parts(shown(Course())) == ["heal: nothing is in shadow (stage unproven)"]


def test_how_a_canary_stands_names_arms_evidence_and_doubts():
    course = Course().to("canary_1")
    course.pause("a sale")
    lines = lines_of(standing_parts(shown(course)))
    assert lines[:2] == [
        "heal: heal@2 is in canary_1, 1% of episodes; incumbent: heal@1",
        "  PAUSED by ann: a sale",
    ]
    assert ["canary", "0", "0", "0"] in [line.split() for line in lines]
    assert ["MISS", "episodes", "of", "the", "canary", "0", "2"] in [line.split() for line in lines]
    assert "  says hold" in lines


def test_an_entity_as_the_unit_is_warned_about():
    course = Course(structs.replace(QUICK, unit="argument:service")).to("shadow")
    (warning,) = [line for line in lines_of(standing_parts(shown(course))) if "WARNING" in line]
    assert "each service" in warning


def test_what_is_under_way_leaves_out_what_arrived_and_what_was_rolled_back():
    course = Course().to("canary_1")
    assert [each.candidate for each in under_way(course.loop.state.rollouts)] == [NEW]
    course.abort()
    assert under_way(course.loop.state.rollouts) == ()
    course.pause()
    (held,) = under_way(course.loop.state.rollouts)
    assert (held.candidate, held.paused) == (None, {"freeze": "ann"})
    assert under_way(Course().to("live").loop.state.rollouts) == ()


def test_a_plan_names_everything_that_takes_authority_away():
    plan = RolloutPlan(
        automatic=True,
        replay_decisions=0,
        undo_on_rollback=True,
        never=("db.drop",),
        guardrails=(SeriesLimit(series="shop/errors", above=5.0, share=0.05),),
    )
    said = "\n".join(plan_lines(NAME, plan, [OLD]))
    assert "heal: heal@1 is established" in said
    assert "replay    none is asked for" in said
    assert "as soon as the evidence is there" in said
    assert "on shop/errors over 5, on the first db.drop; what it did is taken back" in said


def test_history_needs_no_engine_and_shows_each_step_with_its_evidence(place):
    course = Course().to("canary_10")
    course.ask()
    copy = SqliteJournal(place / "copy.db")
    copy.append([Entry(record.key, record.body) for record in course.journal.read()])
    copy.close()
    said = here("canary", "history", NAME, "--journal", "copy.db").output
    words = [" ".join(line.split()) for line in said.splitlines()]
    after = dict(itertools.pairwise(words))
    assert any("heal@2 replayed → shadow engine shadow gives no authority" in line for line in words)
    (step,) = [line for line in words if line.endswith("heal@2 shadow → canary_1 ann it is time")]
    assert after[step] == "ok whole days in shadow 2 of 2"
    assert any(line.endswith("heal@2 ready for canary_10") for line in words)
    assert any("heal@2 refused in canary_10 ann episodes of the canary" in line for line in words)
    told = json.loads(here("canary", "history", NEW, "--journal", "copy.db", "--json").output)
    steps = [each["now"] for each in told if each["fact"] == "stage_changed"]
    assert steps == ["replayed", "shadow", "canary_1", "canary_10"]
    missing = here("canary", "history", NAME, "--journal", "nowhere.db")
    assert missing.exit_code == 2
    assert "no such journal" in missing.stderr


@pytest.mark.parametrize("words", [("canary", "status"), ("shadow", "report", "heal")])
def test_without_an_engine_a_line_says_so(place, words):
    result = here(*words)
    assert result.exit_code != 0
    assert result.stderr.count("\n") == 1
    assert "the engine does not answer" in result.stderr
