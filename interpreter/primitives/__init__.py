"""All primitives of the language. Importing this package fills the table."""

from interpreter.primitives import (
    arithmetic,
    colors,
    containers,
    functions,
    objects,
    painting,
    patches,
    shapes,
    transforms,
)
from interpreter.primitives.table import CONSTANTS, PRIMITIVES, Primitive, constant_type

__all__ = [
    "CONSTANTS",
    "PRIMITIVES",
    "Primitive",
    "arithmetic",
    "colors",
    "constant_type",
    "containers",
    "functions",
    "objects",
    "painting",
    "patches",
    "shapes",
    "transforms",
]
