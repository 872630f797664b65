"""A key of `partitions: {by: ..., keys: [...]}` that is no value of its column is refused with key, column and type."""

import sqlite3

import pytest

from etl.errors import SourceError
from etl.source.reading import ExtractRequest, Part, count_rows
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

COLUMNS = "plant int, weight decimal(8,2), since date, name varchar(20)"
ROW = "(0, 1.5, '2026-01-05', '5x')"
RIGHT = {"plant": "0", "weight": "1.5", "since": "2026-01-05", "name": "5x"}
WRONG = (("plant", "5x"), ("plant", "north"), ("weight", "heavy"), ("since", "monday"))


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("keys") / "source.db"
    connection = sqlite3.connect(path)
    connection.executescript(f"CREATE TABLE keyed ({COLUMNS}); INSERT INTO keyed VALUES {ROW}")
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> str:
    postgres_server.run(f"CREATE TABLE keyed ({COLUMNS})", f"INSERT INTO keyed VALUES {ROW}")
    return postgres_server.url


@pytest.fixture(scope="module")
def mariadb(mariadb_server: MariadbServer) -> str:
    mariadb_server.run(f"CREATE TABLE keyed ({COLUMNS})", f"INSERT INTO keyed VALUES {ROW}")
    return mariadb_server.url


def part(column: str, key: str, *, outside: bool = False) -> ExtractRequest:
    return ExtractRequest(
        table="keyed", part=Part(column=column, value=key, values=(RIGHT[column], key), outside=outside)
    )


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mariadb"])
def test_a_key_of_another_type_is_refused_and_a_right_one_counts(database: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(database)
    for column, key in WRONG:
        if database == "sqlite" and column == "since":  # dates are text there: nothing is cast, and no row is found
            continue
        for outside in (False, True):
            with pytest.raises(
                SourceError, match=f"the key `{key}`.*column `{column}` of table `keyed`, which is"
            ) as told:
                count_rows(url, part(column, key, outside=outside))
            assert f"by: {column}" in told.value.hint
    assert {column: count_rows(url, part(column, key)) for column, key in RIGHT.items()} == dict.fromkeys(RIGHT, 1)


def test_a_query_that_casts_a_wrong_key_says_what_to_correct(postgres: str) -> None:
    asked = part("plant", "north").model_copy(
        update={"table": None, "query": "SELECT * FROM keyed WHERE plant = :partition"}
    )
    with pytest.raises(SourceError) as told:
        count_rows(postgres, asked)
    assert "`keys` of `partitions`" in told.value.hint
