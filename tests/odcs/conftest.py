"""The tiny project, and a contract of its pipeline."""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator

from tests.cli.conftest import etl, project
from tests.installation import REPOSITORY

__all__ = ["etl", "project"]
EXAMPLES = REPOSITORY / "tests" / "fixtures" / "odcs"
STANDARD = REPOSITORY / "etl" / "odcs" / "standard" / "odcs-json-schema-v3.1.0.json"


@pytest.fixture(scope="session")
def keeps_the_standard() -> Callable[[Any], list[str]]:
    """The breaches of the standard's schema, as the standard publishes it."""
    validator = Draft201909Validator(json.loads(STANDARD.read_text(encoding="utf-8")))
    return lambda data: [f"{each.json_path}: {each.message}" for each in validator.iter_errors(data)]


@pytest.fixture(scope="session")
def keeps_the_next_one() -> Callable[[Any], list[str]]:
    """The same for version 3.2, which wants a type for each column."""
    schema = files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    validator = Draft201909Validator(json.loads(schema))
    return lambda data: [f"{each.json_path}: {each.message}" for each in validator.iter_errors(data)]


def examples() -> Iterator[Path]:
    yield from sorted(EXAMPLES.glob("*.yaml"))
