"""Benchmarks: what is fast, as ratios measured side by side in one run. The last line of each is one JSON object."""
