"""Text that may name environment variables, and what becomes of it.

Belongs here: `EnvTemplate`, a text resolved late, and `interpolate`, the same syntax resolved at once. Does not: which
keys are late and which are not (the models say that by their types).

`${VAR}` must be set and not empty; `${VAR:-default}` and `${VAR:default}` give a default; `$$` is a dollar. Any other
`$` stands for itself.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from etl.errors import ConfigError

_TOKEN = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-?((?:[^}$]|\$(?!\{))*))?\}|\$\{")


def variables_of(text: str) -> tuple[tuple[str, str | None], ...]:
    """Each variable of `text` with its default, None where it has none."""
    return tuple((match[1], match[2]) for match in _TOKEN.finditer(text) if match[1])


def missing_variables(text: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that `text` needs and `environ` does not give. Set but empty counts as not set."""
    missing = [name for name, default in variables_of(text) if default is None and not environ.get(name)]
    return tuple(dict.fromkeys(missing))


def malformed(text: str) -> str | None:
    """What is wrong with the syntax of `text`, if anything."""
    for match in _TOKEN.finditer(text):
        if match[0] == "${":
            return "`${` does not begin a variable: write ${NAME}, ${NAME:-default}, or $$ for a dollar"
    return None


def literal_of(text: str) -> str:
    """What `text` says by itself, without any variable; defaults are text that stands in the file too."""
    return _TOKEN.sub(lambda match: "$" if match[0] == "$$" else match[2] or "", text)


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Resolve `text`. Raises ConfigError that names what is missing; never shows a value."""
    if problem := malformed(text):
        raise ConfigError(problem)
    if missing := missing_variables(text, environ):
        names = ", ".join(missing)
        raise ConfigError(f"not set in the environment: {names}", f"set {names}, or give a default: ${{VAR:-default}}")
    return _TOKEN.sub(lambda match: "$" if match[0] == "$$" else environ.get(match[1]) or match[2] or "", text)


@dataclass(frozen=True, repr=False, slots=True)
class EnvTemplate:
    """A text with `${VAR}` that is resolved when a run needs it, so that a secret never stands in a definition."""

    text: str

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of all variables in it."""
        return tuple(dict.fromkeys(name for name, _ in variables_of(self.text)))

    def missing(self, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """The variables that have no default and no value in `environ` (default: the process environment)."""
        return missing_variables(self.text, os.environ if environ is None else environ)

    def resolve(self, environ: Mapping[str, str] | None = None) -> str:
        """The value. Raises ConfigError that names the missing variables."""
        return interpolate(self.text, os.environ if environ is None else environ)

    def __repr__(self) -> str:
        """Only the template, never a value."""
        return f"EnvTemplate({self.text!r})"

    def __str__(self) -> str:
        """Only the template, so that a forgotten `resolve` shows and no secret leaks."""
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Built from a text, dumped as that text."""
        return core_schema.no_info_plain_validator_function(
            _validate, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="always")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A string for editors; numbers are fine where a text is meant, such as a port."""
        return {"type": ["string", "number"], "description": "may name variables: ${VAR}, ${VAR:-default}"}


def _validate(value: object) -> EnvTemplate:
    if isinstance(value, EnvTemplate):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a text")  # the loader knows the text as written
    if problem := malformed(value):
        raise PydanticCustomError("env_template", "{problem}", {"problem": problem})
    if "\x00" in value:
        raise PydanticCustomError("env_template", "a NUL character is not allowed")
    return EnvTemplate(value)
