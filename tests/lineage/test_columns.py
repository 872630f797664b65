"""Lineage without a query: identity, and what a tenant declares of its transform."""

from etl.lineage.columns import ColumnLineage, ColumnOrigin, declared, identical, renamed

ORDERS, CUSTOMERS = ("acme", "extract", "orders"), ("acme", "extract", "customers")
COLUMNS = {"orders": ["id", "amount"], "customers": ["id", "name"]}


def test_a_copy_has_the_columns_of_what_it_copies() -> None:
    assert identical(["a"], ORDERS).known == {"a": (ColumnOrigin(ORDERS, "a"),)}


def test_a_column_of_one_input_needs_no_name_of_it() -> None:
    found = declared(["cents", "one", "other"], {"cents": ["amount"], "one": []}, {"orders": ORDERS}, COLUMNS)
    assert found.known == {"cents": (ColumnOrigin(ORDERS, "amount"),), "one": ()}
    assert list(found.unknown) == ["other"]


def test_a_star_is_for_the_columns_that_the_input_has() -> None:
    both = {"orders": ORDERS, "customers": CUSTOMERS}
    found = declared(["id", "name", "new"], {"*": ["orders"], "name": ["customers.name"]}, both, COLUMNS)
    assert found.known == {"id": (ColumnOrigin(ORDERS, "id"),), "name": (ColumnOrigin(CUSTOMERS, "name"),)}
    assert found.unknown == {"new": "`column_lineage` names orders.new, and orders has no such column"}


def test_a_declared_column_that_is_not_there_is_no_origin() -> None:
    found = declared(["cents"], {"cents": ["amonut"]}, {"orders": ORDERS}, COLUMNS)
    assert found == ColumnLineage({}, {"cents": "`column_lineage` names orders.amonut, and orders has no such column"}, (ORDERS,))  # fmt: skip


def test_a_table_without_another_name_makes_its_columns_unknown() -> None:
    lineage = ColumnLineage(
        {"a": (ColumnOrigin(("x",), "a"),), "b": (ColumnOrigin(("y",), "b"),)}, tables=(("x",), ("y",))
    )
    found = renamed(lineage, {("x",): ORDERS})
    assert (found.known, found.tables) == ({"a": (ColumnOrigin(ORDERS, "a"),)}, (ORDERS,))
    assert found.unknown == {"b": "it comes from y, which is no asset of the tenant"}
