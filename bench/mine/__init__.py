"""Benchmarks of mining, on made runs."""
