"""Lessons that an agent wrote about its failures, put together into rules without a model.

Read `__main__.py` first, then `data.py`, `measures.py`, `page.py`.
"""
