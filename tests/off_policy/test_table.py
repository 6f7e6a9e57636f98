"""Tables of others: a row a decision with its probability, and mistakes named by file, row and column."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from engine.errors import InputError, RecordingError
from simulator.off_policy.table import Layout, both_sides, frequencies, parse_layout

LAYOUT = Layout(choice="item", chance="p", reward="click", context="place", unit="visit")
LOG = "visit,place,item,p,click\nv1,top,a,0.25,1\nv1,top,b,0.75,0\nv2,side,a,0.5,yes\n"
CANDIDATE = "place,item\ntop,a\ntop,a\ntop,c\ntop,a\nside,b\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_a_candidate_is_how_often_it_was_seen_to_choose_in_each_context(tmp_path):
    found = frequencies(write(tmp_path, "c.csv.gz", CANDIDATE), LAYOUT)
    assert found == {"top": (("a", 0.75), ("c", 0.25)), "side": (("b", 1.0),)}


def test_a_log_is_read_for_the_candidate_and_as_it_was(tmp_path):
    wanted = frequencies(write(tmp_path, "c.csv", CANDIDATE), LAYOUT)
    candidate, logged = both_sides(write(tmp_path, "log.csv", LOG), LAYOUT, wanted)
    assert [row.unit for row in candidate] == [row.unit for row in logged] == ["v1", "v1", "v2"]
    assert [row.decision.chance for row in candidate] == [0.25, 0.75, 0.5]
    assert [row.decision.reward for row in candidate] == [1.0, 0.0, 1.0]
    assert candidate[0].decision.wanted == wanted["top"]
    assert [(row.decision.chance, row.decision.wanted) for row in logged] == [
        (1.0, (("a", 1.0),)),
        (1.0, (("b", 1.0),)),
        (1.0, (("a", 1.0),)),
    ]


def test_without_context_and_unit_rows_stand_alone(tmp_path):
    layout = Layout(choice="item", chance="p", reward="click")
    wanted = frequencies(write(tmp_path, "c.csv", CANDIDATE), layout)
    candidate, _ = both_sides(write(tmp_path, "log.csv", LOG), layout, wanted)
    assert len({row.unit for row in candidate}) == 3
    assert len({row.decision.wanted for row in candidate}) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0.25", "0", "column 'p': 0.0 is no chance .*row 1"),
        ("0.75", "1.5", "column 'p': 1.5 is no chance"),
        ("0.5", "often", "column 'p': 'often' is no number"),
        ("0.25,1", "0.25,", "column 'click': '' is no number"),
        ("side", "back", "nothing says what the candidate would choose in context 'back'"),
        ("item", "thing", "no column 'item'"),
    ],
)
def test_a_mistake_is_named_by_its_place(tmp_path, old, new, said):
    wanted = frequencies(write(tmp_path, "c.csv", CANDIDATE), LAYOUT)
    with pytest.raises(RecordingError) as refused:
        both_sides(write(tmp_path, "log.csv", LOG.replace(old, new)), LAYOUT, wanted)
    assert refused.match(said.replace(" .*row 1", ""))
    assert "log.csv" in str(refused.value)
    assert refused.value.cure


def test_a_layout_is_read_as_it_is_typed():
    assert parse_layout("choice=item, chance=p, reward=click, context=place, unit=visit") == LAYOUT


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "'' is no such part"),
        ("choice=item,chance=p", "no column for reward"),
        ("choice=item,chance=p,reward=click,colour=red", "'colour' is no such part"),
        ("choice=,chance=p,reward=click", "'choice' is no such part, or names no column"),
    ],
)
def test_a_wrong_layout_is_refused_with_how_to_write_it(typed, said):
    with pytest.raises(InputError, match=said) as refused:
        parse_layout(typed)
    assert "choice=COLUMN" in str(refused.value)
