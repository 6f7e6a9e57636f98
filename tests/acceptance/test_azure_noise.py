"""Azure's noisy machines: drawn arms are safe, machines as arms warned about, real differences caught."""

from __future__ import annotations

from functools import cache

import pytest

from tests.acceptance.conftest import present
from tests.acceptance.noise import (
    BETTER_SKU,
    CAPPED,
    EPISODES,
    FOLDER,
    HIGHER_IS_WORSE,
    LONG,
    WORSE_SKU,
    Came,
    drawn,
    fixed,
    foreknown,
    one_canary,
    read,
    skus,
)

# Millions of episodes through `engine/core/statistics`, which its own tests measure.
pytestmark = pytest.mark.unmeasured
BENCHMARKS = sorted(HIGHER_IS_WORSE)
DIFFERENT = [name for name in BENCHMARKS if name != CAPPED]
QUICK, THOROUGH = 12, 100
TRIALS = pytest.mark.parametrize("trials", [QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)])


@cache
def runs(benchmark):
    return read(present(FOLDER / f"{benchmark}.csv.gz"))


@TRIALS
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_with_runs_drawn_a_version_is_seldom_rolled_back_for_noise(benchmark, trials):
    came = [Came.of(drawn(runs(benchmark), lifespan, trials)) for lifespan in ("short", "long")]
    canaries = sum(each.canaries for each in came)
    assert canaries >= 7 * trials
    assert sum(each.rolled_back * each.canaries for each in came) / canaries <= 0.07
    assert [each.warned for each in came] == [0.0, 0.0]


@TRIALS
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_with_machines_as_arms_the_unit_is_always_called_confounded(benchmark, trials):
    came = Came.of(fixed(runs(benchmark), trials // 3))
    assert came.canaries >= 3 * trials
    assert came.warned == 1.0


@TRIALS
@pytest.mark.parametrize("benchmark", DIFFERENT)
def test_and_rightly_for_noise_alone_rolls_many_of_them_back(benchmark, trials):
    assert Came.of(fixed(runs(benchmark), trials // 3)).rolled_back > 0.1


def test_the_warning_says_how_few_units_there_are():
    cell = runs("redis_get_rps")["long", "westus2", BETTER_SKU]
    ours = [run for run in cell if run.machine.endswith("/0")]
    others = [run for run in cell if not run.machine.endswith("/0")]
    found = one_canary(ours, others, seed="0").warning
    assert found.reason.startswith("arms and machines coincide: 1 in the canary, 2 in control.")
    assert "there are 3 units here, not 1,000, and even the clearest difference" in found.reason
    assert found.units == 3


@TRIALS
@pytest.mark.parametrize("lifespan", ["short", "long"])
@pytest.mark.parametrize("benchmark", DIFFERENT)
def test_a_really_slower_version_is_caught(benchmark, lifespan, trials):
    came = Came.of(skus(runs(benchmark), lifespan, WORSE_SKU, trials))
    assert came.rolled_back >= 0.95
    assert came.after < 100


@TRIALS
def test_a_small_difference_is_caught_by_whoever_gives_it_time(trials):
    came = Came.of(skus(runs(CAPPED), "short", WORSE_SKU, trials, regions=("westus2",), episodes=LONG))
    assert came.canaries == trials
    assert came.rolled_back >= 0.95


@TRIALS
@pytest.mark.parametrize("episodes", [EPISODES, LONG])
def test_where_it_is_missed_whoever_knew_both_versions_beforehand_would_miss_it_too(episodes, trials):
    assert foreknown(runs(CAPPED), "eastus", trials, episodes=episodes) < 0.6


def test_whoever_knows_both_versions_beforehand_finds_what_is_there():
    assert foreknown(runs(CAPPED), "westus2", QUICK, episodes=LONG) >= 0.95


@TRIALS
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_version_that_is_not_slower_is_left_alone(benchmark, trials):
    assert Came.of(skus(runs(benchmark), "short", BETTER_SKU, trials)).rolled_back <= 0.07


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_new_machines_for_every_run_are_no_confounded_unit(benchmark):
    assert Came.of(skus(runs(benchmark), "short", WORSE_SKU, QUICK)).warned == 0.0
