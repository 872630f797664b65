import json

import polars as pl
import pytest

from etl.quality.engines.truthound import TruthoundEngine

ENGINE = TruthoundEngine()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("kim@example.com", "email"),
        ("123-45-6789", "ssn"),
        ("4111-1111-1111-1111", "credit"),
        ("900101-1234567", "주민"),
        ("010-1234-5678", "phone"),
        ("M12345678", "passport"),
    ],
)
def test_personal_data_are_found_and_never_shown(value: str, kind: str) -> None:
    frame = pl.DataFrame({"note": [value, value, None], "code": ["a1", "b2", "c3"]})
    scan = ENGINE.scan_pii(frame)
    assert scan.columns == ("note",), kind
    assert any(each.matches == each.values == 2 and each.rate == 1 for each in scan.findings)
    assert value not in json.dumps(scan.to_dict(), ensure_ascii=False)


def test_every_value_is_looked_at() -> None:
    late = pl.DataFrame({"s": ["plain"] * 5000 + ["kim@example.com"]})
    found = ENGINE.scan_pii(late.lazy()).findings
    assert [(each.column, each.matches, each.values, each.confidence) for each in found] == [("s", 1, 5001, 75)]


def test_the_column_s_name_counts() -> None:
    by_name = {
        name: ENGINE.scan_pii(pl.DataFrame({name: ["555-123-4567"] * 9})).findings[0].confidence
        for name in ("phone", "value")
    }
    assert by_name["phone"] > by_name["value"]


def test_categories_are_text() -> None:
    frame = pl.DataFrame({"s": ["kim@example.com"]}).cast(pl.Categorical)
    assert ENGINE.scan_pii(frame).columns == ("s",)


def test_what_was_not_scanned_is_named() -> None:
    scan = ENGINE.scan_pii(pl.DataFrame({"n": [1], "s": ["x"]}))
    assert (scan.scanned, scan.skipped, scan.findings) == (("s",), {"n": "Int64 is not text"}, ())
    assert ENGINE.scan_pii(pl.DataFrame({"n": [1]})).scanned == ()
    assert ENGINE.scan_pii(pl.DataFrame({"s": []}, schema={"s": pl.String})).findings == ()
