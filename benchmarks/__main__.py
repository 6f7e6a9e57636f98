"""`make bench`: every benchmark, one after the other, each in a process of its own."""

import subprocess
import sys

_BENCHMARKS = (
    "benchmarks.replay",
    "benchmarks.journal",
    "benchmarks.sandbox",
    "benchmarks.live",
    "benchmarks.http_api",
    "benchmarks.votes",
    "benchmarks.triage",
    "benchmarks.kill",
    "benchmarks.body",
    "benchmarks.chat",
    "benchmarks.restore",
    "benchmarks.rollout",
    "benchmarks.off_policy",
    "benchmarks.approvals",
    "benchmarks.provenance",
    "benchmarks.call_burst",
    "benchmarks.wakeups",
    "benchmarks.console",
    "benchmarks.redaction",
    "benchmarks.shell_risk",
    "benchmarks.mcp",
)


def main() -> int:
    """Run them all; fail if one fails to run."""
    return max(subprocess.run([sys.executable, "-m", name], check=False).returncode for name in _BENCHMARKS)


if __name__ == "__main__":
    raise SystemExit(main())
