"""Runs the unit tests of a tenant, one after the other in this process.

Belongs here: the folders, the time, the types of columns that are published. Not here: one test (`sandbox`).
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError, EtlError
from etl.pipeline.published_schema import newest_schema
from etl.pipeline.stage import lake_place
from etl.settings import Settings
from etl.unit_tests.discovery import TenantTests
from etl.unit_tests.fixture import UnitTest
from etl.unit_tests.given import PublishedTypes
from etl.unit_tests.judgement import UnitTestResult, judge
from etl.unit_tests.sandbox import run_unit_test


def run_tests(found: TenantTests, config: TenantConfig, settings: Settings) -> Iterator[UnitTestResult]:
    """Run each unit test and yield its result. A wrong test is a result too, so that the others still run."""
    published = published_types(config, settings)
    with TemporaryDirectory(prefix="etl-test-") as folder, quiet_stages():
        tests = [each for of_pipeline in found.tests.values() for each in of_pipeline]
        for number, test in enumerate(tests):
            yield _run(test, config, settings, Path(folder) / str(number), published)


def _run(
    test: UnitTest, config: TenantConfig, settings: Settings, folder: Path, published: PublishedTypes
) -> UnitTestResult:
    started = time.perf_counter()
    try:
        outcome = run_unit_test(test, config, settings, folder, published)
        result = judge(test, outcome, config.pipelines[test.pipeline])
    except ConfigError as error:
        result = UnitTestResult(test, "mistaken", (str(error),))
    return _timed(result, time.perf_counter() - started)


@contextmanager
def quiet_stages() -> Iterator[None]:
    """Keep the warnings of stages out of the output: rejected rows are often what a unit test expects."""
    logger = logging.getLogger("etl.pipeline")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _timed(result: UnitTestResult, seconds: float) -> UnitTestResult:
    return UnitTestResult(
        result.test, result.status, result.problems, result.rows, result.rejected, result.outcome, seconds
    )


def published_types(config: TenantConfig, settings: Settings) -> PublishedTypes:
    """Return a function that knows the columns of published objects, each looked up once and only if needed.

    Only the local lake is looked at, so that no unit test waits for a network.
    """
    known: dict[tuple[str, str], Mapping[str, pl.DataType]] = {}

    def look_up(pipeline: str, stage: str) -> Mapping[str, pl.DataType]:
        if (pipeline, stage) not in known:
            try:
                found = (
                    None
                    if _in_a_bucket(config, pipeline)
                    else newest_schema(config, settings, pipeline, "extract" if stage == "extract" else "transfer")
                )
            except EtlError:  # no lake that can be read: the test then needs types of its own, and says so
                found = None
            known[pipeline, stage] = dict(found[0]) if found else {}
        return known[pipeline, stage]

    return look_up


def _in_a_bucket(config: TenantConfig, pipeline: str) -> bool:
    return config.assets.pipelines[pipeline].save_to_s3 and bool(lake_place(config).bucket)
