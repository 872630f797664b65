"""Describes errors of libraries without what they quote: a value of the data, a password in an address.

Belongs here: taking values out of a text. Not here: errors of our own, which never have a value in them.
"""

import re
from collections.abc import Iterable

from etl.errors import EtlError

_QUOTED = re.compile(r"(?<!\w)([\"'`])(.*?)(?:\1|\Z)", re.DOTALL)
"""A word in quotes; one that does not end is a value that has a line's end or a quote in it."""
_LISTED = re.compile(r"\[.*\]?")
_FOUND = re.compile(r"(?<=value of type )(\w+): .*")
_TYPE_WORDS = frozenset(
    {
        "str",
        "bool",
        "date",
        "datetime",
        "f32",
        "f64",
        *(f"{sign}{bits}" for sign in "iu" for bits in (8, 16, 32, 64, 128)),
    }
)
_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_PARAMETERS = re.compile(r"(?<=\S)\?[^\s)\]`'\"]+")


def without_secrets(text: str) -> str:
    """Return a text whose addresses have neither a login nor parameters, such as a signature."""
    if "://" not in text:
        return text
    return _PARAMETERS.sub("?...", _LOGIN.sub("...@", text))


def describe_failure(raised: BaseException, schema: Iterable[str]) -> str:
    """Describe an error without values of the data: of its quoted words, only names of columns and types stay."""
    if isinstance(raised, EtlError):
        return raised.problem
    columns = frozenset(schema)

    def keep(found: re.Match[str]) -> str:
        return (
            found.group()
            if found.group(2) in columns or found.group(2) in _TYPE_WORDS
            else f"{found.group(1)}...{found.group(1)}"
        )

    lines = without_secrets(_QUOTED.sub(keep, str(raised).strip())).splitlines()
    first = _FOUND.sub(r"\1", _LISTED.sub("[...]", lines[0]))[:300] if lines else ""
    return f"{type(raised).__name__}: {first}" if first else type(raised).__name__
