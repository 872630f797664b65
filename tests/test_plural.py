"""Numbers of things in words."""

from etl.plural import counted


def test_one_thing_and_several() -> None:
    assert [counted(each, "row") for each in (0, 1, 2, 1200)] == ["0 rows", "1 row", "2 rows", "1,200 rows"]
    assert [counted(each, "entry", "entries") for each in (1, 2)] == ["1 entry", "2 entries"]
