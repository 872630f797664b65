"""Texts that may name environment variables and secrets, and how these names are replaced by values.

Belongs here: the syntax of `${...}`, `interpolate`, and `EnvTemplate`, a text that is resolved late. Not here: which
names a tenant may use and where their values are (`namespace`), and which keys are templates (see the models' types).

`${VAR}` must be set and not empty; `${VAR:-default}` and `${VAR:default}` give a default; `${secret:name}` and
`${secret:name#key}` name a secret of the tenant; `$$` is a dollar. Any other `$` stays a dollar. `secret` and the names
of stores are reserved: if a colon follows such a name, it is never a variable.
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

RESERVED = ("secret", "vault", "openbao", "aws", "gcp", "azure", "sops", "file", "files", "env")
SECRET = "secret:"  # noqa: S105  the beginning of a reference, not a secret
_REFERENCE = r"secret:[a-z0-9_][a-z0-9_-]*(?:/[a-z0-9_-]+)*(?:#[A-Za-z0-9_][A-Za-z0-9_.-]*)?"
_TOKEN = re.compile(
    r"\$\$"
    rf"|\$\{{(?P<secret>{_REFERENCE})\}}"
    rf"|(?P<reserved>\$\{{(?i:{'|'.join(RESERVED)}):)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-?(?P<default>(?:[^}$]|\$(?!\{))*))?\}"
    r"|\$\{"
)


def references_of(text: str) -> tuple[tuple[str, str | None], ...]:
    """Return the variables of `text` with their defaults, or None, and the secrets as `secret:name#key` with None."""
    found = ((match["name"] or match["secret"], match["default"]) for match in _TOKEN.finditer(text))
    return tuple((name, default) for name, default in found if name)


def variables_of(text: str) -> tuple[tuple[str, str | None], ...]:
    """Return the environment variables of `text`, each with its default, or None if it has no default."""
    return tuple(each for each in references_of(text) if not each[0].startswith(SECRET))


def secrets_of(text: str) -> tuple[str, ...]:
    """Return the secrets of `text`, each as `secret:name#key`."""
    return tuple(name for name, _ in references_of(text) if name.startswith(SECRET))


def is_reference(text: str) -> bool:
    """Whether the text is `secret:name` or `secret:name#key`. No such name leads out of the tenant's secrets."""
    return re.fullmatch(_REFERENCE, text) is not None


def split_secret(reference: str) -> tuple[str, str | None]:
    """Split `secret:name#key` into name and key."""
    name, _, key = reference.removeprefix(SECRET).partition("#")
    return name, key or None


def missing_variables(text: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that `text` needs and `environ` does not have. An empty variable counts as not set.

    Secrets are not looked up and never count as missing, because only a run opens the store.
    """
    missing = [name for name, default in variables_of(text) if default is None and not environ.get(name)]
    return tuple(dict.fromkeys(missing))


def malformed(text: str) -> str | None:
    """Return what is wrong with the syntax of `text`, or None."""
    for match in _TOKEN.finditer(text):
        if match["reserved"]:
            word = match["reserved"][2:-1]
            if word == "secret":
                return "a secret is written ${secret:name} or ${secret:name#key}: lower-case letters, digits, _ - /"
            return (
                f"`${{{word}:` is reserved: a tenant's file names a secret and never a store; write"
                " ${secret:name#key}, and the platform chooses the store (ETL_SECRETS)"
            )
        if match[0] == "${":
            return "`${` does not begin a variable: write ${NAME}, ${NAME:-default}, or $$ for a dollar"
    return None


def literal_of(text: str) -> str:
    """Return the literal parts of `text`, without variables. Defaults are kept, because they stand in the file too."""
    return _TOKEN.sub(lambda match: "$" if match[0] == "$$" else match["default"] or "", text)


def without_defaults(text: str) -> str:
    """Return the text with `${NAME}` for every variable, so that texts that name the same variables are equal."""
    return _TOKEN.sub(lambda match: f"${{{match['name']}}}" if match["name"] else match[0], text)


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Resolve `text`. Raises ConfigError, which names the missing variables and never shows a value.

    `values` has variables by name and secrets by `secret:name#key`; see `Namespace`.
    """
    if problem := malformed(text):
        raise ConfigError(problem)
    if missing := missing_variables(text, values):
        names = ", ".join(missing)
        raise ConfigError(f"not set in the environment: {names}", f"set {names}, or give a default: ${{VAR:-default}}")
    return _TOKEN.sub(lambda match: "$" if match[0] == "$$" else _value(match, values), text)


def _value(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match["secret"]:
        value = values.get(match["secret"])
        if value is None:
            raise ConfigError(f"${{{match['secret']}}} cannot be resolved here", "name an environment variable")
        return value
    return values.get(match["name"]) or match["default"] or ""


@dataclass(frozen=True, repr=False, slots=True)
class EnvTemplate:
    """A text with `${VAR}` that is resolved when a run needs it, so that a secret never stands in a definition."""

    text: str

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of all variables in the text."""
        return tuple(dict.fromkeys(name for name, _ in variables_of(self.text)))

    def missing(self, values: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """The variables that have no default and no value in `values` (default: the process environment)."""
        return missing_variables(self.text, os.environ if values is None else values)

    def resolve(self, values: Mapping[str, str] | None = None) -> str:
        """Return the value. Raises ConfigError, which names the missing variables."""
        return interpolate(self.text, os.environ if values is None else values)

    def __repr__(self) -> str:
        """Only the template, never a value."""
        return f"EnvTemplate({self.text!r})"

    def __str__(self) -> str:
        """Only the template, so that a forgotten `resolve` is visible and no secret leaks."""
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Built from a text, dumped as that text."""
        return core_schema.no_info_plain_validator_function(
            _validate, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="always")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of a string for editors; a number, such as a port, is allowed too."""
        words = "may name variables and secrets: ${VAR}, ${VAR:-default}, ${secret:name#key}"
        return {"type": ["string", "number"], "description": words}


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
