"""Settings every test shares."""

from hypothesis import HealthCheck, settings

# No deadline: two workers under coverage on a small machine make single examples slow, not wrong. The blob
# printed with a failure repeats it exactly, on any machine.
settings.register_profile(
    "watchkeeper", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("watchkeeper")
