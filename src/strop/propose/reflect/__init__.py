"""Reflection: proposals by a model that reads the runs. All of them go the way mined ones go.

    prompts/      the questions, as templates in files
    traces        a run as text for a model, trimmed from the middle
    leakage, parrots, screen   what may not be proposed: copies of tasks, of results, of refusals
    meter, reflector   asking: parsed by a schema, bounded retries, cost counted
    edits         typed edits of clauses and criteria
    clauses, lessons, heuristics, criteria, rules, gepa   one proposer each
    descriptions, tools   how tools are described; tools that a model writes
    written       a tool as a model writes it, as an item

Nothing is imported here: each proposer is loaded when it is used.

Next file: `propose/reflect/prompts/__init__.py`.
"""
