"""Settings every test shares."""

import os
from collections.abc import Iterator

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

# No deadline: two workers under coverage on a small machine make single examples slow, not wrong. The blob
# printed with a failure repeats it exactly, on any machine. HYPOTHESIS_PROFILE=thorough looks longer.
settings.register_profile(
    "quick",
    deadline=None,
    print_blob=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def docker_engine():
    """A Docker engine of this test process's own, started when the first test wants it."""
    from tests.docker_engine import docker_engine as started

    with started() as engine:
        yield engine


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have tests that share a fixture of their module run in one process, so that it is made once."""
    for item in items:
        known = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
        shared = any(fixture.scope == "module" for fixtures in known for fixture in fixtures)
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0].replace("/", ".")))


# What tells a process that it is to be measured.
_MEASURE = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure no coverage in a test marked `unmeasured`, nor in the processes it starts."""
    measuring = Coverage.current()
    if measuring is None or item.get_closest_marker("unmeasured") is None:
        return (yield)
    kept = {name: os.environ.pop(name) for name in _MEASURE if name in os.environ}
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()
        os.environ.update(kept)
