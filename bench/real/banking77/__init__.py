"""Banking77 with the embedded model: Strop before and after, no model at all, and dspy.

Read `__main__.py` first, then `data.py`, `strop_rows.py`, `no_model.py`, `peers.py`, `page.py`.
"""
