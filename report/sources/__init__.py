"""Readers: what the folder of a run, a search or an evaluation says of its tasks, as a `report.model.Source`.

chronicle    programs ranked as they come    run, search, evaluation    a kind of folder each
"""
