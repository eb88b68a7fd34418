"""Texts of lessons: what they advise, which say the same, which deny one another.

    imperative    a sentence as an instruction
    names         what is particular to one task in a text
    plans         the sentences of a lesson that say what to do
    distil        many lessons into few rules
    contradictions  pairs that cannot both hold

Next file: `mine/texts/imperative.py`.
"""
