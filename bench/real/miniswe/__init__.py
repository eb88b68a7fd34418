"""Recurring environment failures in a coding agent's traces, against a plain text search."""
