"""Benchmarks: figures next to a floor measured in the same run. They inform; they gate nothing."""
