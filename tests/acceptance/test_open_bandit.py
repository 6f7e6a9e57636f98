"""Open Bandit: each of two policies that really ran is valued from the log of the other.

ZOZOTOWN showed 34 items at three positions, by chance in one arm and by Thompson sampling (BTS) in the
other. The log has the probability of every item shown. What BTS would have shown elsewhere is taken from how
often it showed each item at each position in its own week: it learnt as it went, so that is its mean over
the week.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter

import pytest

from tests.acceptance.conftest import present
from tests.acceptance.whole import rows_of
from tests.cli.running import here
from tests.importers.shared_data import DATA

FOLDER = DATA / "open_bandit"
LOGS = {"random": FOLDER / "random_men.csv.gz", "bts": FOLDER / "bts_men.csv.gz"}
CLICKS = {"random": 46, "bts": 69}
"""Of 10,000 each: what really came of it."""
COLUMNS = "choice=item_id,chance=propensity_score,reward=click,context=position"
BOTH_WAYS = pytest.mark.parametrize(("log", "candidate"), [("random", "bts"), ("bts", "random")])
pytestmark = pytest.mark.unmeasured
CLAIMED = ("ips", "snips", "doubly_robust")


@pytest.fixture
def valued(tmp_path, monkeypatch):
    """Value one file's policy from another's log, and return the JSON and what was printed."""
    monkeypatch.chdir(tmp_path)

    def value(log, candidate, *words):
        done = here(
            "value", f"table:{present(log)}", "--columns", COLUMNS, "--candidate", present(candidate),
            "--json", "v.json", *words,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return json.loads((tmp_path / "v.json").read_text()), done.stdout

    return value


def head(path, rows, to):
    """Write the first rows of a log to another file."""
    with (
        gzip.open(present(path), "rt", encoding="utf-8") as source,
        gzip.open(to, "wt", encoding="utf-8") as out,
    ):
        out.writelines(line for _, line in zip(range(rows + 1), source, strict=False))
    return to


@BOTH_WAYS
def test_every_interval_covers_what_the_other_policy_really_earned(valued, log, candidate):
    told, _ = valued(LOGS[log], LOGS[candidate])
    truth = CLICKS[candidate] / 10_000
    intervals = {each["estimator"]: each["candidate"] for each in told["estimates"]}
    for estimator in CLAIMED:
        assert intervals[estimator]["low"] <= truth <= intervals[estimator]["high"], estimator
    assert told["logged"] == CLICKS[log] / 10_000


@BOTH_WAYS
def test_every_interval_of_the_difference_covers_what_it_really_was(valued, log, candidate):
    told, _ = valued(LOGS[log], LOGS[candidate])
    truth = (CLICKS[candidate] - CLICKS[log]) / 10_000
    for each in told["estimates"][:3]:
        assert each["difference"]["low"] <= truth <= each["difference"]["high"], each["estimator"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
@BOTH_WAYS
def test_they_cover_it_whatever_the_seed(valued, log, candidate, seed):
    told, _ = valued(LOGS[log], LOGS[candidate], "--seed", seed)
    truth = CLICKS[candidate] / 10_000
    assert all(
        each["candidate"]["low"] <= truth <= each["candidate"]["high"] for each in told["estimates"][:3]
    )


def test_nothing_is_claimed_that_so_few_clicks_do_not_carry(valued):
    """46 against 69 clicks are hardly told apart by a test of both arms; a log of one arm cannot."""
    told, printed = valued(LOGS["random"], LOGS["bts"])
    assert told["verdict"].startswith("no difference between bts_men.csv.gz and random_men.csv.gz is shown")
    assert "no difference" in printed


@BOTH_WAYS
def test_the_inverse_propensity_value_is_what_the_rows_say(valued, log, candidate):
    """Worked out from the files with nothing of ours."""
    shown = Counter((row["position"], row["item_id"]) for row in rows_of(present(LOGS[candidate])))
    at = Counter(position for position, _ in shown.elements())
    rows = list(rows_of(present(LOGS[log])))
    weights = [
        shown[row["position"], row["item_id"]] / at[row["position"]] / float(row["propensity_score"])
        for row in rows
    ]
    earned = sum(weight for weight, row in zip(weights, rows, strict=True) if row["click"] == "1")
    told, _ = valued(LOGS[log], LOGS[candidate])
    values = {each["estimator"]: each["candidate"]["value"] for each in told["estimates"]}
    assert values["ips"] == pytest.approx(earned / len(rows))
    assert values["snips"] == pytest.approx(earned / sum(weights))
    assert told["candidate"]["effective"] == pytest.approx(sum(weights) ** 2 / sum(w * w for w in weights))


def test_seldom_shown_items_leave_few_effective_episodes(valued):
    """BTS shows some items in one of 6,000 views, so 10,000 of them are worth some hundreds."""
    forward, _ = valued(LOGS["random"], LOGS["bts"])
    backward, _ = valued(LOGS["bts"], LOGS["random"])
    assert 2_000 < forward["candidate"]["effective"] < 4_000
    assert 400 < backward["candidate"]["effective"] < 900


def test_nothing_is_said_where_too_few_effective_episodes_are_left(valued, tmp_path):
    told, printed = valued(head(LOGS["bts"], 500, tmp_path / "short.csv.gz"), LOGS["random"])
    assert told["estimates"] == []
    assert told["candidate"]["effective"] < 100
    assert "effective episodes of at least 100" in " ".join(printed.split())


def test_nothing_is_said_where_too_few_views_were_clicked(valued, tmp_path):
    told, printed = valued(head(LOGS["random"], 800, tmp_path / "short.csv.gz"), LOGS["bts"])
    assert told["candidate"]["effective"] > 100
    assert "effective episodes went well: too few" in " ".join(printed.split())


def test_nothing_is_said_about_items_the_log_never_showed(valued, tmp_path):
    new = tmp_path / "new.csv.gz"
    with gzip.open(new, "wt", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(("item_id", "position"))
        for position in "123":
            table.writerows([(item, position) for item in range(32)] + [("34", position)] * 2)
    told, printed = valued(LOGS["random"], new)
    assert told["candidate"]["support"] == pytest.approx(32 / 34)
    assert told["estimates"] == []
    assert "support is 94.1 % of at least 99.0 %" in " ".join(printed.split())
