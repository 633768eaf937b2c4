"""Short names of modules: `interpreter.program` for `interpreter.language.program`, the same module under both.

What users of a package import has a name at its top, wherever in the package it lives. The project itself imports
modules from where they are; a test holds it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Aliases(MetaPathFinder, Loader):
    """Finds the modules of a table of names; importing an alias imports its module, and binds both names to it."""

    def __init__(self, homes: Mapping[str, str]) -> None:
        self._homes = homes

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in self._homes else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._homes[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = module.__spec__.loader_state  # the module keeps the name of its home


def short_names(package: str, homes: Mapping[str, str]) -> None:
    """Let `package.NAME` be another name of `package.HOME`, for each NAME and HOME; nothing is imported before use."""
    sys.meta_path.append(_Aliases({f"{package}.{name}": f"{package}.{home}" for name, home in homes.items()}))
