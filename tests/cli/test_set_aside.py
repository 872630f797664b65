"""`etl set-aside`: what is refused, and what stands there afterwards."""

import duckdb

from tests.tiny_project import TinyProject

from .conftest import Etl


def test_nothing_is_done_unasked_and_a_table_is_renamed_on_demand(etl: Etl, project: TinyProject) -> None:
    path = project.data / "warehouse" / "acme.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(path) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders AS SELECT 7 AS mine")
    assert etl("set-aside", "acme", "orders").code == 2
    said = etl("set-aside", "acme", "orders", "--yes")
    assert said.code == 0, said
    with duckdb.connect(path) as connection:
        ((name,),) = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        assert name.startswith("orders_aside_")
        assert connection.execute(f"SELECT mine FROM shop.{name}").fetchall() == [(7,)]
    assert etl("set-aside", "acme", "orders", "--yes").code == 2  # nothing is there any more
    assert etl("set-aside", "acme", "order", "--yes").code == 2
