"""Measurements beside yardsticks: `python -m tests.benchmarks`. Not collected by pytest."""
