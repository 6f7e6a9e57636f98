"""Settings every test shares."""

import os

import pytest
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
