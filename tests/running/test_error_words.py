"""The text of an error that a tenant's own code has raised stays in the run; its kind and place may leave it."""

import sys
from pathlib import Path

import pytest
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster_shared.error import SerializableErrorInfo

from etl.errors import EtlError
from etl.running.error_words import words_of

VALUE = "kim@example.com"
PLACES = {
    "project/tenants/acme/transforms/orders.py": "tenants/acme/transforms/orders.py:2",
    f"data/last_good/acme/{'0a' * 32}/acme/definitions.py": "tenants/acme/definitions.py:2",
}


def ours(text: str) -> None:
    raise EtlError(text, "correct it")


def error_of(path: Path, code: str) -> SerializableErrorInfo:
    """The error of a function in a file, as Dagster stores it."""
    path.parent.mkdir(parents=True)
    path.write_text(f"def orders(raises, error):\n    {code}\n")
    names: dict[str, object] = {}
    exec(compile(path.read_bytes(), str(path), "exec"), names)
    try:
        names["orders"](ours, EtlError)  # type: ignore[operator]
    except (EtlError, ValueError, KeyError):
        return serializable_error_info_from_exc_info(sys.exc_info())
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("code", [f"raise ValueError('{VALUE}')", f"raise error('{VALUE}')", f"{{}}['{VALUE}']"])
def test_only_kind_and_place_are_told(tmp_path: Path, place: str, code: str) -> None:
    said = words_of(error_of(tmp_path / place, code))
    assert VALUE not in said
    assert said.startswith("the tenant's own code raised ")
    assert PLACES[place] in said


@pytest.mark.parametrize("place", PLACES)
def test_what_this_product_says_about_a_tenants_call_is_told(tmp_path: Path, place: str) -> None:
    assert words_of(error_of(tmp_path / place, "raises('the key is missing')")).endswith(
        "the key is missing\n  -> correct it"
    )


def test_an_error_of_the_product_is_told_and_a_wrapped_one_of_a_transform_is_not() -> None:
    try:
        ours("no room")
    except EtlError:
        assert "no room" in words_of(serializable_error_info_from_exc_info(sys.exc_info()))
    cause = SerializableErrorInfo(f"ValueError: {VALUE}", [], "ValueError")
    said = words_of(SerializableErrorInfo("TransformError: it raised ValueError", [], "TransformError", cause))
    assert said.startswith("the tenant's own code raised ValueError")
    assert words_of(None) == ""
