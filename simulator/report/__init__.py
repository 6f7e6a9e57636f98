"""The report: one HTML file that opens offline, made from a results file and its summary."""

from simulator.report.report import write_report

__all__ = ["write_report"]
