"""Lessons from real airline traces, judged by replaying the repaired calls."""
