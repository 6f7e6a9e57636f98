"""Every promise of the task table, held by every journal that ships."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.facts import Scope
from engine.errors import JournalError, LeaseLost
from engine.ports import Entry, Finished, Journal, Task

Make = Callable[[], Journal]
KEYS = itertools.count()


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    made: Journal = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "journal.db")
    yield made
    made.close()


def task(name: str = "d_1", **values: Any) -> Task:
    given = {
        "kind": "perform", "of": name, "decision_id": name, "proposal_id": "p-1", "agent": "coder-1",
        "capability": "heal@1", "action": "cache.clear", "priority": 0, "queued_us": 0, "idempotent": True,
    }  # fmt: skip
    return Task(effect_id=name, **given | values)


def put(journal: Journal, *tasks: Task | Finished) -> None:
    journal.append([Entry(f"fact-{next(KEYS)}", b"{}")], tasks=tasks)


def claim(journal: Journal, worker: str = "w", most: int = 1, now_us: int = 0, **given: Any) -> list[Task]:
    return journal.tasks.claim(worker, now_us=now_us, lease_us=10, most=most, **given)


def names(tasks: list[Task]) -> list[str]:
    return [each.effect_id for each in tasks]


def test_a_task_comes_with_the_fact_that_authorises_it(journal):
    put(journal, task())
    assert journal.tasks.find("d_1") == task()
    assert journal.tasks.all() == [task()]


def test_a_refused_append_puts_no_task_in(journal):
    journal.append([Entry("a", b'{"n":1}')])
    with pytest.raises(JournalError):
        journal.append([Entry("b", b"{}"), Entry("a", b'{"n":2}')], tasks=[task()])
    assert journal.tasks.all() == []
    assert journal.head().seq == 1


def test_a_task_that_is_there_stays_as_it_is(journal):
    put(journal, task())
    (leased,) = claim(journal)
    put(journal, task(priority=9))
    assert journal.tasks.find("d_1") == leased


def test_a_finished_task_leaves(journal):
    put(journal, task())
    put(journal, Finished(effect_id="d_1"))
    assert journal.tasks.find("d_1") is None
    assert claim(journal) == []


def test_a_lease_names_its_holder_its_end_and_its_token(journal):
    put(journal, task())
    (leased,) = claim(journal, "w-1", now_us=5)
    assert (leased.worker, leased.lease_until_us, leased.attempts, leased.started) == ("w-1", 15, 0, False)
    assert leased.token > 0


def test_what_is_leased_is_not_leased_again(journal):
    put(journal, task())
    claim(journal)
    assert claim(journal, "other", now_us=100) == []


def test_every_lease_has_a_token_above_all_before_it(journal):
    put(journal, task("d_1"), task("d_2"))
    (first,) = claim(journal)
    journal.tasks.requeue(first.effect_id)
    (again,) = claim(journal)
    put(journal, Finished(effect_id=again.effect_id))
    (other,) = claim(journal)
    assert first.token < again.token < other.token


def test_the_smaller_priority_goes_first_and_then_the_older(journal):
    put(journal, task("d_1", queued_us=2), task("d_2", priority=-1, queued_us=9), task("d_3", queued_us=1))
    assert names(claim(journal, most=3)) == ["d_2", "d_3", "d_1"]


def test_a_step_of_priority_counts_as_much_as_half_a_minute(journal):
    put(journal, task("d_low", priority=2, queued_us=0), task("d_new", priority=0, queued_us=60_000_001))
    assert names(claim(journal)) == ["d_low"]


def test_no_more_than_asked_for_are_leased(journal):
    put(journal, *[task(f"d_{n}") for n in range(5)])
    assert len(claim(journal, most=3)) == 3
    assert len(claim(journal, most=3)) == 2


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        (Scope("all"), []),
        (Scope("agent", "coder-1"), ["d_2"]),
        (Scope("capability", "heal"), ["d_2"]),
        (Scope("capability", "heal@1"), ["d_2"]),
        (Scope("capability", "heal@2"), ["d_1", "d_2"]),
        (Scope("capability", "he_l"), ["d_1", "d_2"]),
        (Scope("action", "cache.clear"), ["d_2"]),
    ],
    ids=str,
)
def test_what_a_stop_covers_is_passed_over_and_kept(journal, scope, left):
    put(journal, task("d_1"), task("d_2", agent="other", capability="healer@1", action="file.write"))
    assert names(claim(journal, most=9, passed_over=[scope])) == left
    assert len(journal.tasks.all()) == 2


def test_a_renewed_lease_lasts_and_a_lost_one_is_named(journal):
    put(journal, task("d_1"), task("d_2"))
    one, two = claim(journal, most=2)
    journal.tasks.requeue(two.effect_id)
    lost = journal.tasks.renew("w", {"d_1": one.token, "d_2": two.token, "d_9": 1}, until_us=99)
    assert sorted(lost) == ["d_2", "d_9"]
    assert journal.tasks.expired(98) == []
    assert names(journal.tasks.expired(99)) == ["d_1"]


def test_nobody_renews_the_lease_of_another(journal):
    put(journal, task())
    (leased,) = claim(journal, "w-1")
    assert journal.tasks.renew("w-2", {"d_1": leased.token}, until_us=99) == ["d_1"]


def test_a_start_is_noted_until_the_next_lease(journal):
    put(journal, task())
    (leased,) = claim(journal)
    assert journal.tasks.start("d_1", leased.token).started
    journal.tasks.requeue("d_1")
    assert journal.tasks.find("d_1").started, "whoever looks at a lease that ran out must see how far it got"
    assert not claim(journal)[0].started


@pytest.mark.parametrize("change", ["start", "give_back"])
def test_an_older_token_is_turned_away(journal, change):
    put(journal, task())
    (old,) = claim(journal)
    journal.tasks.requeue("d_1")
    claim(journal)
    with pytest.raises(LeaseLost):
        getattr(journal.tasks, change)("d_1", old.token)


@pytest.mark.parametrize("change", ["start", "give_back"])
def test_a_finished_task_is_nobodys(journal, change):
    put(journal, task())
    (leased,) = claim(journal)
    put(journal, Finished(effect_id="d_1"))
    with pytest.raises(LeaseLost):
        getattr(journal.tasks, change)("d_1", leased.token)


@pytest.mark.parametrize("begun_before", [0, 1])
@pytest.mark.parametrize("started", [False, True])
def test_given_back_it_waits_as_if_it_had_not_been_leased(journal, started, begun_before):
    put(journal, task())
    for _ in range(begun_before):
        journal.tasks.start("d_1", claim(journal)[0].token)
        journal.tasks.requeue("d_1")
    (leased,) = claim(journal)
    if started:
        journal.tasks.start("d_1", leased.token)
    journal.tasks.give_back("d_1", leased.token)
    found = journal.tasks.find("d_1")
    assert (found.worker, found.attempts, found.started) == ("", begun_before, False)


def test_only_what_is_begun_counts_and_once_a_lease(journal):
    put(journal, task())
    claim(journal)
    journal.tasks.requeue("d_1")
    assert claim(journal)[0].attempts == 0
    for attempt in (1, 2):
        journal.tasks.requeue("d_1")
        (leased,) = claim(journal)
        for _ in range(2):
            assert journal.tasks.start("d_1", leased.token).attempts == attempt


def test_tasks_and_tokens_outlive_the_process(tmp_path):
    path = tmp_path / "journal.db"
    first = SqliteJournal(path)
    put(first, task())
    (leased,) = claim(first)
    first.close()
    second = SqliteJournal(path)
    assert second.tasks.all() == [leased]
    second.tasks.requeue("d_1")
    assert claim(second)[0].token > leased.token
    second.close()


def test_a_journal_of_an_older_version_gets_its_task_table(tmp_path):
    from tests.journal.making import fill, plain

    path = tmp_path / "journal.db"
    fill(path, 3)
    with plain(path) as connection:
        for name in ("task", "fencing"):
            connection.execute(f"DROP TABLE {name}")
        connection.execute("PRAGMA user_version = 2")
    with SqliteJournal(path) as journal:
        put(journal, task())
        assert names(claim(journal)) == ["d_1"]


def test_tasks_of_a_version_without_places_are_for_this_machine(tmp_path):
    from tests.journal.making import plain

    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal:
        put(journal, task())
    with plain(path) as connection:
        connection.execute("ALTER TABLE task DROP COLUMN place")
        connection.execute("PRAGMA user_version = 3")
    with SqliteJournal(path) as journal:
        assert claim(journal, places=("laptop",)) == []
        assert names(claim(journal)) == ["d_1"]


def test_each_place_gets_what_is_for_it_and_nothing_else(journal):
    put(journal, task("d_1"), task("d_2", place="laptop"), task("d_3", place="dev"), task("d_4", place="dev"))
    assert names(claim(journal, "w", most=9)) == ["d_1"]
    assert names(claim(journal, "laptop/1", most=2, places=("laptop", "dev"))) == ["d_2", "d_3"]
    assert names(claim(journal, "desk/1", most=9, places=("desk", "dev"))) == ["d_4"]
    assert claim(journal, "desk/1", most=9, places=("", "desk", "dev", "laptop")) == []


def test_what_no_body_took_is_found_by_how_long_it_waits(journal):
    put(
        journal,
        task("d_1", queued_us=5),
        task("d_2", place="laptop", queued_us=5),
        task("d_3", place="laptop", queued_us=9),
        task("d_4", place="laptop", queued_us=5),
    )
    claim(journal, "laptop/1", places=("laptop",))
    assert names(journal.tasks.unclaimed(9)) == ["d_4"]
    assert names(journal.tasks.unclaimed(10)) == ["d_3", "d_4"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "claim", "start", "give_back", "requeue", "finish", "renew"]),
        st.integers(0, 4),
        st.sampled_from(["w-1", "w-2"]),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_both_tables_agree_and_no_effect_is_ever_held_twice(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("agree") / "journal.db"
    tables = [MemoryJournal(), SqliteJournal(path)]
    newest: dict[str, int] = {}
    for number, (what, which, worker) in enumerate(steps):
        name = f"d_{which}"
        said = [_step(journal, what, name, worker, number, newest.get(name, 0)) for journal in tables]
        assert said[0] == said[1]
        if what == "claim":
            for leased in said[0]:
                assert leased.token > newest.get(leased.effect_id, 0)
                newest[leased.effect_id] = leased.token
        assert tables[0].tasks.all() == tables[1].tasks.all()
    for journal in tables:
        journal.close()


def _step(journal: Journal, what: str, name: str, worker: str, number: int, token: int) -> Any:
    match what:
        case "put":
            place = ["", "laptop"][number % 2]
            return put(journal, task(name, queued_us=number, priority=number % 3 - 1, place=place))
        case "claim":
            places = [("",), ("laptop",), ("", "laptop")][number % 3]
            return claim(journal, worker, most=2, now_us=number, places=places)
        case "requeue":
            return journal.tasks.requeue(name)
        case "finish":
            return put(journal, Finished(effect_id=name))
        case "renew":
            return journal.tasks.renew(worker, {name: token}, until_us=number + 100)
        case _:
            try:
                return getattr(journal.tasks, what)(name, token)
            except LeaseLost as lost:
                return lost.message
