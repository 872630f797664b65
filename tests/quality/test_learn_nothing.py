"""Learning from data that suggest no rule: no rules, and no error."""

import polars as pl
import pytest

from etl.quality import get_engine


@pytest.mark.parametrize("engine", ["polars", "truthound"])
@pytest.mark.parametrize("frame", [pl.DataFrame(), pl.DataFrame({"c": []}, schema={"c": pl.Categorical})])
def test_nothing_is_learned_from_nothing(engine: str, frame: pl.DataFrame) -> None:
    assert len(get_engine(engine).learn(frame).rules) == 0
