import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
from dagster._core.definitions.instigation_logger import CapturedLogHandler
from dagster._utils.error import serializable_error_info_from_exc_info

from etl.running.reports import scrub_reports
from etl.secrets.scrub import forget_everything, learn

SECRET = "Wiesenpieper's-3"


@pytest.fixture(autouse=True)
def _knows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(CapturedLogHandler, "__init__", CapturedLogHandler.__init__)  # put back afterwards
    forget_everything()
    learn(SECRET)
    scrub_reports()
    scrub_reports()  # once is enough, twice is no harm
    yield
    forget_everything()


def raise_with_a_cause() -> None:
    try:
        {}[SECRET]
    except KeyError as error:
        raise ValueError(f"raised with {SECRET} and password=q") from error


def test_an_error_that_dagster_turns_into_data_holds_no_secret_in_any_of_its_causes() -> None:
    with pytest.raises(ValueError, match="raised") as raised:
        raise_with_a_cause()
    found = serializable_error_info_from_exc_info((raised.type, raised.value, raised.tb))
    said = found.to_string()
    assert "ValueError: raised with *** and password=***" in said
    assert "KeyError: " in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "message", [f"told {SECRET}", "password=q", 'login {"password": "q"}', "Authorization: Basic q"]
)
def test_a_line_of_a_ticks_log_is_still_json_and_holds_no_secret(message: str) -> None:
    stream = StringIO()
    handler = CapturedLogHandler(stream)
    handler.emit(logging.LogRecord("mine", logging.INFO, "a.py", 1, message, (), None))
    handler.emit(logging.LogRecord("mine", logging.INFO, "a.py", 2, "next", (), None))
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert "***" in first["msg"]
    assert "q" not in first["msg"]
    assert SECRET not in stream.getvalue()
    assert second["msg"] == "next"
