"""The index of decisions: it finds what a plain look through the journal finds, and survives its own file."""

from __future__ import annotations

import random

import pytest

from engine.adapters.decision_index import DecisionIndex
from engine.adapters.journal_memory import MemoryJournal
from engine.core.vocabulary.facts import ProposalReceived, TimePassed, VerdictReached, encode
from engine.core.vocabulary.ids import capability_name
from engine.errors import StorageError
from engine.ports import DecisionFilter, Entry
from tests.builders import NOON_US, proposal, verdict

AGENTS, CAPABILITIES = ("coder-1", "coder-2", "cron"), ("heal@1", "heal@2", "deploy@1")
ACTIONS, WORDS = ("cache.clear", "service.restart", "ticket.create"), ("allow", "hold", "deny")
SAID = ("the disk of db-7 is full", "Müller asked for it", "nothing to say", "disk is fine, full stop")


def journal_of(count: int, seed: int = 7) -> tuple[MemoryJournal, list]:
    """A journal of so many decisions with other facts between them, and what each is about by its record."""
    chance, journal, made = random.Random(seed), MemoryJournal(), []
    for nth in range(count):
        at_us = NOON_US + nth * 1_000_000
        agent, capability = chance.choice(AGENTS), chance.choice(CAPABILITIES)
        action, said = chance.choice(ACTIONS), chance.choice(SAID)
        asked = proposal(
            action, {"service": f"web-{nth}", "deep": {"key": ["leaf"]}, "count": nth + 10_000},
            proposal_id=f"p_{at_us}", agent=agent, capability=capability, rationale=said,
        )  # fmt: skip
        decided = verdict(
            chance.choice(WORDS),
            at_us,
            agent=agent,
            capability=capability,
            action=action,
            episode=f"ep-{nth % 5}",
        )
        facts = [
            (f"proposal:{asked.proposal_id}", ProposalReceived(at_us=at_us, proposal=asked)),
            (f"t:{nth}", TimePassed(at_us=at_us, schedule="tick")),
            (f"verdict:{decided.decision_id}", VerdictReached(at_us=at_us, verdict=decided)),
        ]
        journal.append([Entry(key, encode(fact)) for key, fact in facts])
        made.append((journal.head().seq, decided, said))
    return journal, made


def until(journal: MemoryJournal, last: int) -> MemoryJournal:
    """The same journal as it was at a record."""
    earlier = MemoryJournal()
    earlier.append([Entry(record.key, record.body) for record in journal.read(until=last)])
    return earlier


@pytest.fixture
def index(tmp_path):
    made = DecisionIndex(tmp_path / "home" / "decisions.db")
    yield made
    made.close()


def test_words_are_found_wherever_they_stand(index):
    journal, made = journal_of(40)
    by_text = {
        "full disk": [seq for seq, _, said in made if "full" in said],
        '"disk is full"': [],
        '"disk of db-7"': [seq for seq, _, said in made if "db-7" in said],
        "mull": [seq for seq, _, said in made if "Müller" in said],
        "MÜLLER": [seq for seq, _, said in made if "Müller" in said],
        "web-17": [made[17][0]],
        "10023": [made[23][0]],
        "leaf key": [seq for seq, _, _ in made],
        made[5][1].decision_id: [made[5][0]],
        # Ten seconds share all but the end of their ids.
        made[15][1].decision_id[:-7]: [seq for seq, _, _ in made[10:20]],
        made[6][1].proposal_id: [made[6][0]],
        "ep-3": [seq for seq, each, _ in made if each.episode == "ep-3"],
        "cache.cl coder-2": [
            seq for seq, each, _ in made if each.action == "cache.clear" and each.agent == "coder-2"
        ],
        "nowhere": [],
        "disk nowhere": [],
        "***": [],
        "": [seq for seq, _, _ in made],
    }  # fmt: skip
    for text, expected in by_text.items():
        assert sorted(index.search(journal, text, most=1000).seqs) == expected, text


@pytest.mark.parametrize(
    "text",
    ['"', '""', 'a"b', "NEAR(a b)", "a AND", "OR", "text:disk", "^disk", "-disk", "a\0b", "*", "' ; --"],
)
def test_nothing_that_is_typed_is_a_query_of_its_own(index, text):
    journal, _ = journal_of(3)
    assert index.search(journal, text).seq == journal.head().seq


def test_filters_find_what_a_plain_look_finds(index):
    journal, made = journal_of(120)
    chance = random.Random(11)
    hits = 0
    for _ in range(150):
        since, until_ = sorted(chance.sample(range(-5, 130), 2))
        wanted = DecisionFilter(
            agent=chance.choice((None, *AGENTS)),
            capability=chance.choice((None, "heal", *CAPABILITIES)),
            action=chance.choice((None, *ACTIONS)),
            word=chance.choice((None, *WORDS)),
            since_us=chance.choice((None, NOON_US + since * 1_000_000)),
            until_us=chance.choice((None, NOON_US + until_ * 1_000_000)),
        )
        text = chance.choice(("", "", "disk", "heal"))
        expected = [
            seq
            for seq, each, said in reversed(made)
            if wanted.agent in {None, each.agent}
            and wanted.capability in {None, each.capability, capability_name(each.capability)}
            and wanted.action in {None, each.action}
            and wanted.word in {None, each.word}
            and (wanted.since_us is None or each.at_us >= wanted.since_us)
            and (wanted.until_us is None or each.at_us < wanted.until_us)
            and (not text or text in f"{said} {each.capability}")
        ]
        found, before = [], None
        while True:
            page = index.search(journal, text, wanted, before=before, most=7)
            found += page.seqs
            before = page.before
            if before is None:
                break
        assert found == expected, (text, wanted)
        hits += len(found)
    assert hits > 500


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_pieces_of_any_size_come_to_the_same(index, most):
    journal, made = journal_of(30)
    left = [index.keep_up(journal, most)]
    while left[-1]:
        left.append(index.keep_up(journal, most))
        assert left[-1] == max(0, left[-2] - most)
    assert index.search(journal, "coder", most=100).seqs + index.search(journal, "cron", most=100).seqs
    assert sorted(index.search(journal, most=100).seqs) == [seq for seq, _, _ in made]
    assert index.known().agents == AGENTS
    assert index.known().capabilities == ("deploy", "heal")
    assert index.known().actions == ACTIONS


def test_a_start_goes_on_and_another_journal_begins_anew(tmp_path):
    journal, made = journal_of(30)
    path = tmp_path / "decisions.db"
    for last in (45, 90, 30):
        index = DecisionIndex(path)
        part = until(journal, last)
        assert sorted(index.search(part, most=100).seqs) == [seq for seq, _, _ in made if seq <= last]
        index.close()
    other, others = journal_of(30, seed=8)
    index = DecisionIndex(path)
    assert sorted(index.search(other, "disk", most=100).seqs) == [
        seq for seq, _, said in others if "disk" in said
    ]
    index.close()


def test_two_processes_may_keep_one_file(tmp_path):
    journal, made = journal_of(30)
    ones = [DecisionIndex(tmp_path / "decisions.db") for _ in range(2)]
    for last in range(10, 91, 10):
        ones[last // 10 % 2].keep_up(until(journal, last))
    for index in ones:
        assert len(index.search(journal, most=100).seqs) == len(made)
        index.close()


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 100, None])
def test_a_damaged_or_missing_file_is_made_anew(tmp_path, damage):
    journal, made = journal_of(10)
    path = tmp_path / "decisions.db"
    index = DecisionIndex(path)
    index.keep_up(journal)
    index.close()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    again = DecisionIndex(path)
    assert len(again.search(journal, "web").seqs) == len(made)
    again.close()


def test_a_file_that_cannot_be_made_says_so_and_what_to_do(tmp_path):
    journal, _ = journal_of(1)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="the index of decisions cannot be used") as refused:
        DecisionIndex(tmp_path / "file" / "decisions.db").search(journal)
    assert refused.value.cure


def test_a_huge_text_is_searched_by_its_beginning(index):
    journal = MemoryJournal()
    asked = proposal(proposal_id=f"p_{NOON_US}", rationale="first " + "x " * 500_000 + "last")
    journal.append([Entry("proposal:p", encode(ProposalReceived(at_us=NOON_US, proposal=asked)))])
    journal.append(
        [Entry("v", encode(VerdictReached(at_us=NOON_US, verdict=verdict(proposal_id=asked.proposal_id))))]
    )
    assert index.search(journal, "first").seqs == (2,)
    assert index.search(journal, "last").seqs == ()
