"""Readers: what the folder of a run, a search, an evaluation or a profile says, as a `report.model.Source`.

chronicle    programs ranked as they come    run, search, evaluation, profile    a kind of folder each
"""
