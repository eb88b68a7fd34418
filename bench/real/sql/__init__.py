"""Facts from the traces of twelve SQL agents: what later tasks would have been told.

Read `__main__.py` first, then `data.py`, `truth.py`, `memory.py`, `measure.py`, `page.py`.
"""
