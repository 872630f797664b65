"""Which version an engine has, and programs that require one."""

from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.version import Version

from etl.errors import QualityError
from etl.quality import engine_version, require_engine, versions
from etl.quality.engine import BUILT_IN

LIBRARIES = {
    "truthound": "truthound",
    "polars": "polars",
    "great_expectations": "great-expectations",
    "pandera": "pandera",
}


def test_each_built_in_engine_has_its_librarys_version() -> None:
    assert {*LIBRARIES} == {*BUILT_IN}
    for engine, library in LIBRARIES.items():
        assert engine_version(engine) == Version(version(library))


def test_an_engine_of_a_right_version_is_returned() -> None:
    assert require_engine("truthound>=3.1,<4").name == "truthound"
    assert require_engine("polars").name == "polars"
    assert require_engine("pandera>=0.1").name == "pandera"


@pytest.mark.parametrize(
    ("installed", "requirement", "fits"),
    [
        ("3.1.22", ">=3.1,<4", True),
        ("3.10.0", ">=3.9", True),
        ("3.9.0", ">=3.10", False),
        ("4.0.0", ">=3.1,<4", False),
        ("4.0.0rc1", ">=3.1,<4", False),
        ("3.2.0rc1", ">=3.1,<4", True),
        ("3.1.22", "==3.1.*", True),
        ("3.1.22", "~=3.2", False),
        ("3.1.22", "!=3.1.22", False),
    ],
)
def test_versions_are_ordered_as_packaging_orders_them(
    installed: str, requirement: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "version", lambda _: installed)
    if fits:
        assert require_engine(f"truthound{requirement}").name == "truthound"
        return
    with pytest.raises(QualityError, match=f"has version {installed}, but") as raised:
        require_engine(f"truthound{requirement}")
    assert raised.value.hint.startswith("pip install 'truthound")


def test_an_engine_by_entry_point_has_its_distributions_version(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = SimpleNamespace(name="mine", dist=SimpleNamespace(version="0.4.1"))
    monkeypatch.setattr(versions, "entry_points", lambda **_: [mine])
    assert engine_version("mine") == Version("0.4.1")
    mine.dist.version = "summer"
    with pytest.raises(QualityError, match="the version summer, which cannot be compared"):
        engine_version("mine")


def test_a_library_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", missing)
    with pytest.raises(QualityError) as raised:
        require_engine("great-expectations>=1")
    assert raised.value.problem == "the library of the engine `great_expectations` is not installed"
    assert "tenant-etl[great-expectations]" in raised.value.hint


@pytest.mark.parametrize(
    "text", ["truthound=>3", "", "truthound[pii]>=3", "truthound @ file:///x", "truthound; python_version>'3'"]
)
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(QualityError, match=r"requirement of an engine|more than a name"):
        require_engine(text)


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(QualityError, match="did you mean `truthound`"):
        require_engine("truthond>=3")
