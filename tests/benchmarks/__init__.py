"""Benchmarks, each compared with a yardstick: `python -m tests.benchmarks`. pytest skips them."""
