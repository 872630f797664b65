"""Invented values: of the same type and shape, the same for the same, different for different ones."""

import ipaddress
import re
import stat
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import example, given, settings, strategies as st

from etl.quality import check
from etl.unit_tests.fakes import Fakes, secret_of

SECRET = b"x" * 32
VALUES = st.one_of(
    st.text("abcXYZ019-@. 홍길동李ñ", min_size=4, max_size=12).filter(lambda text: sum(map(str.isalnum, text)) > 3),
    st.integers(1000, 10**12),
    st.dates(date(1950, 1, 1), date(2026, 1, 1)),
    st.datetimes(datetime(1950, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001
    st.decimals(1000, 10**8, places=2),
)


def shape(text: str) -> str:
    """The kind of each character."""
    kinds = (("0-9", "9"), ("a-zñ", "a"), ("A-Z", "A"), ("가-힣", "가"), ("\u4e00-\u9fff", "李"))
    for among, sign in kinds:
        text = re.sub(f"[{among}]", sign, text)
    return text


def version(text: str) -> int | None:
    """The version of an IP address, which becomes another address of as many bytes."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return None


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, max_size=20))
@example(["0.0.0.0", "::1"])
def test_keys_still_fit_and_no_value_stays(values: list[Any]) -> None:
    fakes = Fakes(SECRET)
    made = [fakes.replace(each) for each in values]
    assert made == [Fakes(SECRET).replace(each) for each in values] or len({map(repr, values)}) == 1
    pairs = {(repr(one), repr(two)) for one, two in zip(values, made, strict=True)}
    assert len({one for one, _ in pairs}) == len({two for _, two in pairs}) == len(pairs)
    for one, two in zip(values, made, strict=True):
        assert type(one) is type(two)
        assert one != two
        if isinstance(one, str):
            assert shape(one) == shape(two) or version(one) == version(two) is not None
        elif isinstance(one, int | Decimal):
            assert len(str(one)) >= len(str(two))
        else:
            assert two < one  # an earlier day, so that it is not in the future


def test_few_possible_values_stay_different_ones() -> None:
    fakes = Fakes(SECRET)
    for values in ([f"{number}x" for number in range(20, 80)], list(range(20, 80)), list(range(8))):
        assert len({fakes.replace(each) for each in values}) == len(values)


def test_another_secret_gives_other_values() -> None:
    assert Fakes(SECRET).replace("hong gildong") != Fakes(b"y" * 32).replace("hong gildong")


def test_values_keep_the_forms_that_rules_ask_for() -> None:
    fakes = Fakes(SECRET)
    values = {
        "email": "jane.doe@example.com",
        "uuid": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "url": "https://example.com/a/b?c=1",
        "ip_address": "192.168.10.20",
    }
    frame = pl.DataFrame({kind: [fakes.replace(value)] for kind, value in values.items()})
    result = check(frame, [{"column": kind, "type": kind} for kind in values], engine="polars")
    assert result.status == "passed", (frame, result)
    assert ipaddress.ip_address(fakes.replace("2001:db8::1")).version == 6


def test_nothing_to_replace_stays_and_a_value_without_alternatives_becomes_a_fixed_one() -> None:
    fakes = Fakes(SECRET)
    assert [fakes.replace(None), fakes.replace(""), fakes.replace([None])] == [None, "", [None]]
    assert [fakes.replace("--"), fakes.replace("??")] == ["invented", "invented"]
    assert {fakes.replace(True), fakes.replace(False)} == {False}


def test_the_secret_is_made_once_and_for_this_user_only(tmp_path: Path) -> None:
    first = secret_of(tmp_path)
    assert (len(first), secret_of(tmp_path)) == (32, first)
    assert stat.S_IMODE((tmp_path / "unit_tests" / "secret").stat().st_mode) == 0o600
