"""Timings side by side with the usual tools; ``python -m tests.benchmarks`` prints the table."""
