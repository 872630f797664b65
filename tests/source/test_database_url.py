"""A URL is read as SQLAlchemy reads it, or refused; the password is in no message and no representation."""

import pytest
from hypothesis import example, given, settings, strategies as st
from sqlalchemy import make_url

from etl.errors import SourceError
from etl.source.database_url import parse

PIECES = ["postgresql", "+psycopg", "://", "user", ":", "p%40ss", "@", "host", "[::1]", "5432", "/", "data base", "?", "&",
          "a=1", "a=2", "b=%26", "=", "%", "ü", "#", ";", "\\", " ", "'", "+", "[", "]", "p/w?d"]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join))
@example("postgresql://u:p%2Fw%40d@h:5432/d%20b?sslmode=require&options=-c%20a%3D1&host=a&host=b")
@example("sqlite:////folder/file.db")
@example("sqlite:///")
@example("mysql+pymysql://u:a/b?c@h/d")
@example("postgresql://u:p@[::1]:5433/d")
@example("[postgresql]postgresql")  # SQLAlchemy ignores what follows the bracket
@example("?@://")  # SQLAlchemy refuses the empty port
@example("@[")
@example("postgresql@[")
def test_the_parts_are_those_of_sqlalchemy_or_the_url_is_refused(text: str) -> None:
    for url in (text, f"postgresql://{text}", f"postgresql://user:secret@{text}/d"):
        try:
            ours, theirs = parse(url), make_url(url)
        except SourceError:
            continue
        assert (ours.driver_name, ours.username, ours.host, ours.port or None, ours.database, dict(ours.query)) == (
            theirs.drivername, theirs.username, theirs.host, theirs.port or None, theirs.database, dict(theirs.query)
        )  # fmt: skip
        assert ours.password == (None if theirs.password is None else str(theirs.password))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%2Fw%40d@h:5432/d%20b?sslmode=require",
        "postgresql+psycopg2://u:p:w/d?@h/d",
        "mysql+pymysql://u@h/d?charset=utf8mb4",
        "sqlite:////folder/a'b%20c.db",
        "sqlite:///relative.db",
        "postgresql:///d?host=/run/postgresql&host=/tmp",
        "postgresql://u:p@[::1]:5433/d",
    ],
)
def test_urls_that_people_write_are_read(url: str) -> None:
    """The test above would pass if everything were refused."""
    ours, theirs = parse(url), make_url(url)
    assert (ours.driver_name, ours.password) == (theirs.drivername, theirs.password)
    found = {**theirs.translate_connect_args(username="user", database="dbname"), **theirs.query}
    assert ours.libpq() == {k: ",".join(v) if isinstance(v, tuple) else str(v) for k, v in found.items()}


@pytest.mark.parametrize(
    "url", ["", "nonsense", "postgresql:/h", "postgresql://h:port/d", "postgresql://u:secret@[::1"]
)
def test_what_is_no_url_is_an_error_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(SourceError, match="write dialect://") as caught:
        parse(url)
    assert "secret" not in str(caught.value)


def test_the_password_is_in_no_representation() -> None:
    assert "secret" not in repr(parse("postgresql://u:secret@h/d"))


def test_a_source_is_read_without_loading_what_its_driver_does_not_need() -> None:
    import subprocess
    import sys

    program = """
import sys
from etl.source import reading as source
print([each for each in ("sqlalchemy", "pyarrow", "polars", "numpy", "dagster") if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
