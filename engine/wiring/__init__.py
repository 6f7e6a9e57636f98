"""The one place that joins ports to adapters, and configuration to the core."""

from engine.wiring.policies import (
    SHIPPED_CONFIG,
    SHIPPED_POLICY,
    PolicySource,
    build_policy,
    config_folder,
    read_policy,
)

__all__ = ["SHIPPED_CONFIG", "SHIPPED_POLICY", "PolicySource", "build_policy", "config_folder", "read_policy"]
