"""Measurements of Strop, one module each; nothing here is imported by the package."""
