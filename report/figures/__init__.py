"""Plots of a report, drawn by matplotlib as SVG whose colours are those of the page, light or dark.

drawing    an SVG, and what stands beside it    curves    of runs and searches    lessons    from a source's own history
analyses   of what `codeit analyse` wrote    profiles    of what `codeit profile` wrote
comparison    of what `codeit sweep` found
"""
