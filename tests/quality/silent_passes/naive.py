"""The library as its own documentation calls it, writing nothing."""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import truthound
from truthound.validators import get_validator

from etl.quality import check


class Context:
    """Stands where the library would find, or make, a project folder."""

    root_dir = Path("nowhere")
    config = SimpleNamespace(persist_runs=False, persist_docs=False)

    def resolve_source_key(self, **_: Any) -> str:
        return "none"

    def resolve_fingerprint(self, **_: Any) -> str:
        return "none"

    def track_asset(self, **_: Any) -> None:
        return None

    def read_applied_suite(self, **_: Any) -> None:
        return None


def naive(data: Any, *validators: Any, **arguments: Any) -> bool:
    """Whether the library reports success."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = truthound.check(data, validators=[*validators], context=Context(), **arguments)
    return bool(result.success)


def make(name: str, **arguments: Any) -> Any:
    """A validator of the library."""
    return get_validator(name)(**arguments)


def ours(data: pl.DataFrame, *rules: dict[str, Any], **arguments: Any) -> list[str]:
    """The status of every rule with the default engine."""
    return [each.status for each in check(data, [*rules], **arguments).results]
