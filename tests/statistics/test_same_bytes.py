"""Statistics state is the same on every machine and every Python, to the last bit."""

import ast

import pytest

from engine.core.statistics import agreement, detector, paired, risk_ratio, sample_ratio
from tests.house.tree import modules

DISPLAY_ONLY = {
    f"engine/core/statistics/{name}.py" for name in ("intervals", "confounding", "off_policy", "paired")
}
"""What people look at, and no fact holds."""
DECIDING = [module for module in modules("engine/core/statistics/") if module.path not in DISPLAY_ONLY]


def inexact(tree):
    """Name whatever a machine or a version may round in its own way."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            found.append(f"line {node.lineno}: a power")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in {"sum", "pow"}:
                found.append(f"line {node.lineno}: {node.func.id}()")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if names == ["sqrt", "math"]:
                # A square root is rounded correctly everywhere: IEEE 754 asks for it.
                continue
            found += [
                f"line {node.lineno}: {name}" for name in names if name.split(".")[0] in {"math", "cmath"}
            ]
    return found


@pytest.mark.parametrize("module", DECIDING, ids=lambda module: module.path)
def test_what_decides_only_adds_multiplies_and_compares(module):
    assert inexact(module.tree) == []


def test_there_are_modules_to_check():
    assert len(DECIDING) >= 8
    assert all("intervals" not in module.text.partition('"""\n\n')[2] for module in DECIDING)


@pytest.mark.parametrize(
    "bad", ["import math", "from math import log", "x = sum(y)", "x = y**2", "pow(2, 3)"]
)
def test_the_check_can_fail(bad):
    assert inexact(ast.parse(bad))


def test_the_bits_are_those_that_were_written_down():
    # Whoever changes a grid or a weight changes these, and every journal's re-derived evidence with them.
    bad, good, ratio = risk_ratio.begin_bad(), risk_ratio.begin_good(), sample_ratio.begin()
    agreed, pairs, level = agreement.begin(), paired.begin(), detector.begin()
    for at in range(200):
        share, in_canary = (0.01, 0.1, 0.5)[at // 70], at * 7919 % 11 < 2
        risk_ratio.see_bad(bad, in_canary, share)
        risk_ratio.see_good(good, in_canary, share, 2.0)
        sample_ratio.see(ratio, in_canary, share)
        agreement.see(agreed, not in_canary, 0.95)
        paired.see(pairs, in_canary, not in_canary)
        detector.see(level, in_canary, 0.2)
    found = [
        risk_ratio.bad(bad), risk_ratio.good(good), sample_ratio.e_value(ratio),
        agreement.e_value(agreed), paired.e_value(pairs), detector.level(level),
    ]  # fmt: skip
    assert [each.hex() for each in found] == [
        "0x1.01c6df44a28b0p-3",
        "0x1.48d86275a8e70p+8",
        "0x1.94fe556ac2b7ep+5",
        "0x1.bad3eba7b0f57p-32",
        "0x1.0155938366440p-81",
        "0x1.219bd03312772p+4",
    ]
