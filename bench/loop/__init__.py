"""Benchmarks of the loop itself, without a model."""
