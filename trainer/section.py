"""What declarations of options have in common: those of a configuration, and those of the command line."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticKnownError


class Section(BaseModel):
    """A part of a configuration: immutable, nothing unknown in it, each field documented by the string below it.

    A whole number is one without a point: pydantic alone would take 5.0 for 5, and refuse 5.5.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _whole(cls, given: Any, check: ValidatorFunctionWrapHandler) -> Any:
        checked = check(given)
        if type(checked) is int and "." in str(given):
            raise PydanticKnownError("int_parsing" if isinstance(given, str) else "int_type")
        return checked
