"""A plugin of pytest that compares an engine with the known verdicts:

    pytest -p etl.quality.testing.conformance --engine my_package.engines:MyEngine

Belongs here: the option, and which engine it means. Not here: the tests (`suite`), the verdicts (`cases`).

`--engine` is a registered name, or a module and the engine's class. In a test folder of your own, a fixture
`quality_engine` that returns the engine and `from etl.quality.testing.suite import *` in a test module do the same.
"""  # noqa: D415  the sentence goes on in the command

from importlib import import_module
from pathlib import Path

import pytest

from etl.errors import QualityError
from etl.quality.engine import DataQualityEngine, get_engine

SUITE = Path(__file__).with_name("suite.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--engine", help="the engine of data quality that is compared with the known verdicts")


def pytest_configure(config: pytest.Config) -> None:
    """Run the suite if an engine is named: alone, or with the tests that the command line names."""
    if config.getoption("--engine") is None:
        return
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args.clear()
    config.args.append(str(SUITE))


@pytest.fixture(scope="session")
def quality_engine(request: pytest.FixtureRequest) -> DataQualityEngine:
    """Return the engine that the command line names."""
    name = request.config.getoption("--engine")
    if name is None:
        raise QualityError(
            "no engine is named", "give --engine NAME, or write a fixture `quality_engine` that returns the engine"
        )
    return find_engine(name)


def find_engine(name: str) -> DataQualityEngine:
    """Return the engine of a registered name, or of `module:attribute`, which is called if it is a class."""
    module, colon, attribute = name.partition(":")
    if not colon:
        return get_engine(name)
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as missing:
        raise QualityError(
            f"there is no engine {name}: {missing}", "give a module and the engine's class, as in package.module:Class"
        ) from missing
    return get_engine(found() if isinstance(found, type) else found)
