"""Each event of a check is one line of JSON."""

import json
import logging

import polars as pl
import pytest

from etl.errors import QualityError
from etl.quality import LogListener, check

FRAME = pl.DataFrame({"id": [1, None], "name": ["hidden-a", "hidden-b"]})


@pytest.mark.parametrize(
    ("rule", "level", "status"),
    [
        ({"column": "id", "type": "positive"}, logging.INFO, "passed"),
        ({"column": "id", "type": "not_null", "severity": "warning"}, logging.WARNING, "warning"),
        ({"column": "id", "type": "not_null"}, logging.ERROR, "failed"),
        ({"column": "gone", "type": "not_null"}, logging.ERROR, "error"),
    ],
)
def test_the_level_is_the_verdicts(
    rule: dict[str, str], level: int, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    listener = LogListener(fields={"tenant": "acme"})
    with caplog.at_level(logging.DEBUG, "etl.quality.checks"):
        check(FRAME, [rule], engine="polars", key_columns=["name"], listeners=[listener])
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [each["event"] for each in lines] == ["check_started", "rule_judged", "check_ended"]
    assert all(each["tenant"] == "acme" for each in lines)
    assert (caplog.records[-1].levelno, lines[-1]["status"]) == (level, status)
    assert caplog.records[-1].quality["status"] == status  # type: ignore[attr-defined]
    assert "hidden-" not in caplog.text


def test_a_check_that_raises_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("some.other")
    with caplog.at_level(logging.INFO, "some.other"), pytest.raises(QualityError):
        check(FRAME, [], engine="polars", listeners=[LogListener(logger)])
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert json.loads(record.getMessage())["raised"] == "there are no rules, so nothing would be checked"
