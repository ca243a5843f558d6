"""How many random examples a property is tried on."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FULL = "full"  # the profile of `make test-all`
SHARE = 5

settings.register_profile(
    "ltp",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(FULL, settings.get_profile("ltp"))
settings.load_profile("ltp")


def examples(count: int) -> settings:
    """`count` examples with --hypothesis-profile=full, a fifth of them without."""
    full = settings.get_current_profile_name() == FULL
    return settings(max_examples=count if full else count // SHARE)
