"""Benchmarks of tools: the sandbox they run in, mining, the ladder."""
