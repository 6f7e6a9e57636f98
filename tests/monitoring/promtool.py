"""Debian's promtool, and what a query names."""

import json
import re
import shutil
import subprocess

from tests.needs import need
from tests.patience import PATIENCE_S

# What stands in a query and is no metric: inside braces and quotes are labels, before a bracket functions.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_MATCHERS = re.compile(r"\{[^{}]*\}")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_NAME = re.compile(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)\b(?!\s*\()")
_WORDS = frozenset("and or unless bool offset by without on ignoring group_left group_right inf nan".split())


def promtool(*words, given=None):
    """Run it; its output where it found nothing wrong, and a failed test with all it says where it did."""
    need(shutil.which("promtool"), "promtool is not installed: apt-get install prometheus")
    ran = subprocess.run(
        ["promtool", *map(str, words)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout + ran.stderr


def plain(expr):
    """A query of a dashboard with what Grafana would fill in."""
    return expr.replace("$instance", ".*").replace("$__rate_interval", "5m")


def names_in(expr):
    """Every metric that a query names."""
    bare = _LABELS.sub(" ", _MATCHERS.sub(" ", _QUOTED.sub('""', expr)))
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    return {name for name in _NAME.findall(bare) if name.casefold() not in _WORDS}


def labels_in(expr):
    """Every label that a query matches, groups or joins by."""
    matched = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expr)
    grouped = re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)", expr)
    return {*matched, *(name.strip() for group in grouped for name in group.split(",") if name.strip())}


def recorded(folder, exprs):
    """Write queries down as rules that promtool can read."""
    path = folder / "queries.yaml"
    rules = [{"record": f"q:nth:{nth}", "expr": expr} for nth, expr in enumerate(exprs)]
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    return path
