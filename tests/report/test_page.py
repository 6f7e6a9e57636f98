"""The report is one page that fetches nothing, runs nothing, and shows hostile text as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from engine.errors import InputError
from simulator.report import report as module
from simulator.report import write_report
from simulator.report.report import headline, render
from tests.report.replays import HOSTILE, SCRIPT, ask, busy, labels_for, record, replayed

VOID = {"meta", "br", "wbr", "img", "link", "input", "hr"}
FETCHING = {
    "src",
    "href",
    "srcset",
    "action",
    "data",
    "poster",
    "xlink:href",
    "background",
    "formaction",
    "ping",
}


class Page(HTMLParser):
    """A parsed page: its elements in order, its visible text, and what was left open."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="session")
def pages(one, two, silent):
    return {name: render(f.db, f.summary) for name, f in (("one", one), ("two", two), ("silent", silent))}


@pytest.fixture(params=["one", "two", "silent"])
def page(request, pages):
    return Page(pages[request.param])


def test_elements_are_closed_in_order(page):
    assert (page.open, page.crossed) == ([], [])


def test_nothing_runs(page):
    tags = {tag for tag, _ in page.elements}
    assert not tags & {
        "script",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "foreignobject",
        "link",
        "img",
        "a ",
    }
    attributes = {name for _, attrs in page.elements for name in attrs}
    assert not {name for name in attributes if name.startswith("on")}


def test_nothing_is_fetched(page, pages):
    for tag, attrs in page.elements:
        for name in FETCHING & attrs.keys():
            assert attrs[name].startswith("#"), f"{tag} refers to {attrs[name]}"
        for name in ("style", "fill", "stroke", "clip-path"):
            assert not re.search(r"url\((?!#)", attrs.get(name) or "")
    for text in pages.values():
        (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        assert not re.search(r"url\(|@import|expression", style)


def test_links_lead_somewhere(page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids)), "an id stands twice"
    assert {attrs["href"] for attrs in page.all("a")} <= {f"#{name}" for name in ids}
    clips = {attrs["clip-path"] for _, attrs in page.elements if attrs.get("clip-path")}
    assert clips <= {f"url(#{name})" for name in ids}


def test_a_policy_forbids_what_we_do_not_do(page):
    policies = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_agents_text_stays_text(pages):
    text, page = pages["one"], Page(pages["one"])
    assert "<script" not in text
    assert SCRIPT in page.text
    assert "onerror=alert(1)>" in page.text
    assert "{{ 7*7 }}{% raw %}\"'&" in page.text
    assert text.count("</style>") == 1
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "\x1b" not in text
    assert HOSTILE[4] in page.text
    assert "a" * 200 not in text
    assert "<b>made</b> for tests" in page.text


def test_both_colour_schemes_are_there(page, pages):
    assert {"name": "color-scheme", "content": "light dark"} in page.all("meta")
    assert all("@media (prefers-color-scheme: dark)" in text for text in pages.values())


def test_charts_have_a_text_alternative(page):
    charts = page.all("svg")
    assert all(chart["role"] == "img" and len(chart["aria-label"]) > 20 for chart in charts)
    assert len(charts) % 2 == 0, "each chart comes in a wide and a narrow size"


def test_every_chart_is_there(pages):
    said = {name: " ".join(a["aria-label"] for a in Page(text).all("svg")) for name, text in pages.items()}
    every = "Decisions in each|Estimated cost|Highest API calls|Decisions each rule|Decisions by risk"
    for beginning in every.split("|"):
        assert beginning in said["one"]
        assert beginning in said["two"]
    assert "Shares with their 95 % intervals" in said["one"]
    assert said["two"].count("Decisions in each") == 4, "one for each policy, in two sizes"
    assert said["silent"] == ""


def test_no_missing_value_is_shown(pages):
    for text in pages.values():
        assert not re.search(r"\b(?:NaN|undefined(?!: )|null|Infinity|None)\b", text)


def test_tables_have_captions_and_scopes(page):
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(attrs.get("scope") in {"col", "row"} for attrs in page.all("th"))


def test_figures_are_those_of_the_summary(one, pages):
    page, summary = Page(pages["one"]), one.summary
    for number in (summary.decisions, summary.words.allow, summary.words.hold, summary.words.deny):
        assert f"{number:,}" in page.text
    track = summary.tracks[0]
    for value in (track.policy_hash, track.journal_hash, track.state_hash, summary.content_sha256):
        assert value in page.text
    assert summary.command in page.text
    assert page.text.count("watchkeeper explain d_") == 1
    assert f"{summary.score.held.tp:,} of {summary.score.held.recall.whole:,} unsafe calls" in page.text


def test_differences_are_shown_newly_allowed_first(two, pages):
    page, found = Page(pages["two"]), two.summary.differences
    assert f"newly allows {found.newly_allowed:,}" in page.text
    assert found.groups[0].examples[0] in page.text
    assert "differences" not in {a.get("id") for a in Page(pages["silent"]).all("section")}


def test_one_decision_makes_a_page(tmp_path):
    found = replayed(record(tmp_path / "r.wkr", [ask(1)], labels_for(2, lambda _: False, lambda _: True)))
    page = Page(render(found.db, found.summary))
    assert "allows the one proposal" in page.text
    assert "no unsafe calls in this recording" in page.text
    assert (page.open, page.crossed) == ([], [])


def test_nothing_decided_says_so(silent, pages):
    assert headline(silent.summary) == "50 facts replayed, and nothing was proposed in them."
    assert headline(silent.summary) in Page(pages["silent"]).text


def test_a_journal_that_differs_is_shown(tmp_path):
    from tests.report.test_compare import journal

    found = journal(tmp_path, but=3)
    page = Page(render(found.db, found.summary))
    assert "reproduces 59 of 60 recorded verdicts" in page.text


def test_a_stopped_replay_makes_a_page(tmp_path):
    found = replayed(record(tmp_path / "r.wkr", busy(16_000, step_us=1_000_000)), stop_after=1)
    assert "Stopped before the end." in Page(render(found.db, found.summary)).text


def test_the_same_replay_makes_the_same_page(one, pages):
    assert render(one.db, one.summary) == pages["one"]


@pytest.mark.slow
def test_a_long_recording_makes_a_small_page(tmp_path):
    labels = labels_for(20_000, lambda number: number % 9 == 1, lambda episode: episode % 2 == 0)
    facts = (busy(20_000, step_us=20_000_000), labels)
    found = replayed(record(tmp_path / "long.wkr", *facts))
    path = tmp_path / "long.html"
    write_report(path, found.db, found.summary)
    assert path.stat().st_size < 300_000
    page = Page(path.read_text())
    assert (page.open, page.crossed) == ([], [])


def test_long_tables_are_cut_and_say_so(tmp_path):
    found = replayed(record(tmp_path / "r.wkr", [ask(number, agent=f"a{number}") for number in range(80)]))
    assert "first 50 of 80 agents" in Page(render(found.db, found.summary)).text


def test_a_wrong_path_leaves_nothing_behind(one, tmp_path):
    with pytest.raises(InputError):
        write_report(tmp_path / "missing" / "r.html", one.db, one.summary)
    assert list(tmp_path.iterdir()) == []


def test_a_report_replaces_the_old_one_whole(one, tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("old")
    with monkeypatch.context() as broken:
        broken.setattr(module, "render", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_report(path, one.db, one.summary)
    assert path.read_text() == "old"
    write_report(path, one.db, one.summary)
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]
