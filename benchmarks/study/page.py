"""The page of the study: the text is by hand, what stands between its marks is written from the figures."""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.study import charts, machine
from benchmarks.study.cases import BIG_OUTAGES, DELAYS, DETECTORS, MANY, WEATHERS
from benchmarks.study.peers import RULES
from benchmarks.study.product import PLAN

Told = dict[str, Any]
PAGE, FIGURES = Path("why/earned-authority.md"), Path("why/earned-authority.json")
MARKED = re.compile(r"(<!-- study:([a-z]+) -->\n).*?(<!-- /study -->)", re.DOTALL)

NAMES = {
    "ours": "**ours**",
    "argo": "threshold 95 %, after Argo Rollouts",
    "flagger": "threshold 99 %, after Flagger",
    "timer": "timer, then threshold 95 %",
    "z-test": "z-test at every look",
    "ranks": "Mann-Whitney at every look",
    "shipping": "inconclusive means ship",
    "plain": "ours without `onset`",
}


def tables(figures: Told) -> dict[str, str]:
    """Return what stands between each pair of marks, by name; what was not asked for is left out."""
    found = figures["cases"]
    kinds = {case["kind"] for case in found}
    written = {}
    for name, (kind, of) in _SECTIONS.items():
        if kind in kinds:
            written[name] = of(found)
    if {"exact", "machine"} <= kinds:
        written["proof"] = _proof(figures)
    if {"climb", "hold", "pairs"} <= kinds:
        written = {"claims": _claims(found)} | written
    return written


def rendered(text: str, figures: Told) -> str:
    """Return a page with everything between its marks written anew."""
    written = tables(figures)
    return MARKED.sub(lambda mark: f"{mark[1]}\n{written[mark[2]]}\n\n{mark[3]}", text)


def write(docs: Path, figures: Told) -> None:
    """Write the figures, the page and its charts."""
    # A case a line: two studies can be compared by any tool.
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in figures["cases"])
    head = json.dumps({name: value for name, value in figures.items() if name != "cases"}, ensure_ascii=False)
    (docs / FIGURES).write_text(f'{head[:-1]}, "cases": [\n{lines}\n]}}\n')
    page = docs / PAGE
    page.write_text(rendered(page.read_text(), figures))
    for name, picture in charts.pictures(figures).items():
        (docs / "images" / f"{name}.svg").write_text(picture)


# ---------------------------------------------------------------- plain words


def _of(found: list[Told], kind: str, **words: Any) -> list[Told]:
    return [
        case
        for case in found
        if case["kind"] == kind and all(case.get(name) == is_ for name, is_ in words.items())
    ]


def _one(found: list[Told], kind: str, **words: Any) -> Told:
    (case,) = _of(found, kind, **words)
    return case


def percent(value: float | None) -> str:
    """Write a share with as many digits as say something."""
    if value is None:
        return "–"
    if value in {0, 1}:
        return f"{value:.0%}".replace("%", " %")
    # Neither none nor all of them, so it must not read as either.
    shown = f"{min(value, 0.9999) * 100:.2f}" if value < 0.01 or value > 0.99 else f"{value * 100:.1f}"
    return f"{shown} %"


def whole(share: float) -> str:
    """Write a share that is a round number."""
    return f"{share * 100:g} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{float(f'{value:.4g}'):,.0f}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, words: int = 1) -> str:
    """Write a table whose first columns are words and whose others are numbers."""
    columns = list(head)
    marks = ["---" if place < words else "---:" for place in range(len(columns))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, marks, *rows))


# ---------------------------------------------------------------- sections


def _claims(found: list[Told]) -> str:
    boundary = [_of(found, "climb", rule="ours", world=world) for world in WEATHERS]
    good = max(
        (case for cases in boundary for case in cases if case["ratio"] == 1), key=_worst("rolled_back")
    )
    bad = max((case for cases in boundary for case in cases if case["ratio"] > 1), key=_worst("arrived"))
    harm = _one(found, "hold", rule="ours", base=0.02, ratio=5.0, share=0.01)
    rows = [
        (
            "a version as good as the old one is rolled back",
            "≤ 5 %",
            _bounded(good, "rolled_back"),
        ),
        (
            "one a quarter worse arrives at 100 %",
            "≤ 5 %",
            _bounded(bad, "arrived"),
        ),
        (
            "five-fold harm at 1 %, 2 % failing: decisions until the rollback",
            "≤ 5,000",
            _number(harm["median_decisions"]),
        ),
        ("and failures of the canary until then", "≤ 7", _number(harm["failures"])),
    ]
    rows += [
        (
            f"4 against 2 % harm in shadow, {_shared(case)}: pairs until it is proven",
            "≤ 500",
            _number(case["episodes"]),
        )
        for case in _of(found, "pairs", candidate=0.04)
    ]
    return _table(("promise", "asked", "measured"), rows, words=1)


def _bounded(case: Told, name: str) -> str:
    return f"{percent(case[name])}, at most {percent(case[f'{name}_at_most'])} ({case['world']})"


def _worst(name: str) -> Any:
    return lambda case: case[f"{name}_at_most"]


def _ends(found: list[Told], ratio: float, name: str) -> str:
    rows = []
    for rule in ("ours", *RULES):
        for traffic in (None, MANY):
            own = {
                case["world"]: case for case in _of(found, "climb", rule=rule, ratio=ratio, traffic=traffic)
            }
            if own:
                cells = [percent(own[world][name]) if world in own else "–" for world in WEATHERS]
                mark = "**" if rule == "ours" else ""
                label = NAMES[rule] + (", 100 times the traffic" if traffic else "")
                rows.append((label, *(f"{mark}{cell}{mark}" for cell in cells)))
    return _table(("rule", *WEATHERS), rows)


def _bounds(found: list[Told]) -> str:
    rows = []
    for world in (*WEATHERS, *BIG_OUTAGES):
        good, bad = (_one(found, "climb", rule="ours", world=world, ratio=ratio) for ratio in (1.0, 1.25))
        span = f"{_number(good['up_decisions_10'])} – {_number(good['up_decisions_90'])}"
        rows.append(
            (
                world, percent(good["rolled_back"]), percent(good["rolled_back_at_most"]),
                percent(bad["arrived"]), percent(bad["arrived_at_most"]), _number(good["up_decisions"]), span,
                _number(bad["excess_failures"]),
            )
        )  # fmt: skip
    return _table(
        (
            "world", "good, rolled back", "at most", "a quarter worse, at 100 %", "at most",
            "decisions to 100 %, median", "four in five", "failures too many",
        ),
        rows,
    )  # fmt: skip


def _harm(found: list[Told]) -> str:
    rows = []
    for rule in DETECTORS:
        same, twice, five = (
            _one(found, "hold", rule=rule, base=0.02, ratio=ratio, share=0.01) for ratio in (1.0, 2.0, 5.0)
        )
        rows.append(
            (
                NAMES[rule], percent(same["found"]), percent(twice["found"]),
                _number(twice["median_decisions"]), _number(twice["failures"]),
                _number(five["median_decisions"]), _number(five["failures"]),
                f"{five['excess_failures']:.1f}",
            )
        )  # fmt: skip
    return _table(
        (
            "rule", "as good: false alarm", "twice: found", "decisions", "failures", "five times: decisions",
            "failures", "too many",
        ),
        rows,
    )  # fmt: skip


def _quiet(found: list[Told]) -> str:
    rows = []
    for rule in ("ours", "argo", "flagger"):
        same, twice = (_one(found, "hold", rule=rule, base=0.002, ratio=ratio) for ratio in (1.0, 2.0))
        rows.append(
            (NAMES[rule], percent(same["found"]), percent(twice["found"]), _number(twice["median_decisions"]))
        )
    return _table(("rule", "as good: false alarm", "twice the harm: found", "decisions"), rows)


def _late(found: list[Told]) -> str:
    rows = []
    for rule in ("ours", "plain", "argo", "z-test", "shipping"):
        at_1, at_10 = (_one(found, "late", rule=rule, share=share) for share in (0.01, 0.1))
        cells = (
            percent(at_1["false"]),
            _number(at_1["delay"]),
            percent(at_10["false"]),
            _number(at_10["delay"]),
        )
        rows.append((NAMES[rule], *cells))
    return _table(
        (
            "rule",
            "1 %: alarm before",
            "five times: decisions after",
            "10 %: alarm before",
            "three times: decisions after",
        ),
        rows,
    )


def _shared(case: Told) -> str:
    return f"{whole(case['overlap'])} of the old one's failures shared"


def _floor(case: Told) -> float:
    """Return how many pairs any test needs on average (Wald 1945): log 1/alpha over what one pair tells."""
    both = case["overlap"] * case["incumbent"]
    own, differs = case["candidate"] - both, case["candidate"] + case["incumbent"] - 2 * both
    share = min(1.0, own / differs)
    told = sum(part * math.log(2 * part) for part in (share, 1 - share) if part)
    return math.log(1 / PLAN.alpha) / (differs * told)


def _pairs(found: list[Told]) -> str:
    rows = [
        (
            f"pairs, {_shared(case)}",
            percent(case["proven"]),
            _number(case["episodes"]),
            _number(_floor(case)),
            "0",
        )
        for case in _of(found, "pairs", candidate=0.04)
    ]
    for share in (0.1, 0.01):
        held = _one(found, "hold", rule="ours", base=0.02, ratio=2.0, share=share)
        cells = percent(held["found"]), _number(held["median_decisions"]), "–", _number(held["failures"])
        rows.append((f"a canary at {whole(share)}", *cells))
    same = _one(found, "pairs", candidate=0.02)
    label = f"pairs, both at 2 %: false verdict in 20,000, at most {percent(same['proven_at_most'])}"
    rows.append((label, percent(same["proven"]), "–", "–", "0"))
    return _table(
        (
            "4 against 2 % harm",
            "proven",
            "episodes, median",
            "least on average, any test",
            "failures that happened",
        ),
        rows,
    )


def _agreement(found: list[Told]) -> str:
    names = {"ours": "**ours**", "rate": "rate after 50", "wilson": "Wilson", "exact": "Clopper-Pearson"}
    rows = []
    for case in _of(found, "agreement"):
        rules = case["rules"]
        shares = [percent(rules[rule]["share"]) for rule in names]
        bound = percent(rules["ours"]["share_at_most"]) if case["agrees"] <= 0.95 else "–"
        rows.append((whole(case["agrees"]), *shares, bound, _number(rules["ours"]["after"])))
    return _table(("truly agrees", *names.values(), "ours at most", "ours: episodes"), rows, words=0)


def _points(found: list[Told]) -> str:
    names = {
        "ours": "**ours** (e-SR)",
        "plain": "one e-process from the start",
        "window": "over 9 of the last 100",
    }
    cases = _of(found, "points")
    same = next(case for case in cases if case["before"] == case["after"])
    later = [case for case in cases if case is not same]
    rows = [
        (
            name,
            percent(same["rules"][rule]["share"]),
            *(_number(case["rules"][rule]["after"]) for case in later),
        )
        for rule, name in names.items()
    ]
    return _table(
        (
            "rule",
            "false alarm at the limit, 10,000 points",
            *(f"points until {whole(case['after'])} is found" for case in later),
        ),
        rows,
    )


def _clusters(found: list[Told]) -> str:
    rows = []
    for counted, assigned in dict.fromkeys(
        (case["counted"], case["assigned"]) for case in _of(found, "clusters")
    ):
        good, bad = (
            _one(found, "clusters", counted=counted, assigned=assigned, ratio=each) for each in (1.0, 2.0)
        )
        mark = "**" if (counted, assigned) == ("episode", "episode") else ""
        what = "one outcome an episode" if counted == "episode" else "every decision"
        cells = (what, f"by {assigned}", percent(good["wrong"]), percent(bad["wrong"]))
        rows.append(tuple(f"{mark}{cell}{mark}" for cell in cells))
    return _table(
        ("counted", "assigned", "as good, rolled back", "twice the harm, let to 50 %"), rows, words=2
    )


def _lateness(found: list[Told]) -> str:
    rows = []
    for way, name in (("reported", "when it is reported"), ("horizon", "**when its episode is judged**")):
        for share in (0.01, 0.1, 0.5):
            cells = (
                percent(_one(found, "lateness", way=way, share=share, delay=delay)["rolled_back"])
                for delay in DELAYS
            )
            rows.append((name, whole(share), *cells))
    return _table(("a failure counts", "share", *(f"{delay:.0f} later" for delay in DELAYS)), rows, words=1)


def _proof(figures: Told) -> str:
    found = figures["cases"]
    again, engine = _one(found, "exact"), _one(found, "machine")
    largest = max(case["count"] for case in found)
    core = (
        f"{again['canaries']:,} canaries were judged again by the core's own functions, one failure after "
        f"the other: {again['same_ends']:,} ended the same at the same moment, and in "
        f"{again['same_bits']:,} of {again['events']:,} looks the evidence had the very same bits."
    )
    whole_engine = (
        f"{engine['rollouts']:,} whole rollouts went through the engine, {engine['episodes']:,} episodes "
        f"that were proposed, decided, assigned by its hash, carried out and reported: {engine['live']:,} "
        f"arrived, {engine['rolled_back']:,} were rolled back and {engine['under_way']:,} still under way "
        f"after {machine.MOST:,} episodes. What it saw was handed to the arrays: "
        f"{engine['same']:,} ended the same after the same episode, {engine['same_bits']:,} with the very "
        "evidence its facts name."
    )
    how = (
        f"`{figures['command']}`, seed {figures['seed']}: {len(found)} cases, {largest:,} canaries in each, "
        f"took {figures['minutes']} minutes with {figures['workers']} processes on two cores of a small "
        f"cloud machine that had other work too (Python {figures['python']}, NumPy {figures['numpy']})."
    )
    return f"- {how}\n- {core}\n- {whole_engine}"


_SECTIONS: dict[str, tuple[str, Any]] = {
    "good": ("climb", lambda found: _ends(found, 1.0, "rolled_back")),
    "bad": ("climb", lambda found: _ends(found, 1.25, "arrived")),
    "bounds": ("climb", _bounds),
    "harm": ("hold", _harm),
    "quiet": ("hold", _quiet),
    "late": ("late", _late),
    "pairs": ("pairs", _pairs),
    "agreement": ("agreement", _agreement),
    "points": ("points", _points),
    "clusters": ("clusters", _clusters),
    "lateness": ("lateness", _lateness),
}
