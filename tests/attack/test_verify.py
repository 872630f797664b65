"""Attack on the law "lineage": `etl verify` is green only if every stage was made from what stands before it now.

It compared keys where it said contents, never opened rejected rows, never counted the table as a whole, and nobody
compared which extract a transfer was made from.
"""

from collections.abc import Callable

import pytest

from tests.attack.target import Said, Target
from tests.tiny_project import DAYS

RULE = {"column": "cents", "type": "in_range", "max": 1500}
COPY = "CREATE OR REPLACE TABLE shop.orders AS SELECT * FROM aside.orders"


def settled(target: Target, mode: str) -> Target:
    """Three days, loaded, five rows of each rejected; and a copy of the table to put back after each attack."""
    target.project.write_pipeline(
        {"trino_output": {"mode": mode}, "quality": {"on_failure": "quarantine", "rules": [RULE]}}
    )
    target.run_days()
    target.warehouse("CREATE SCHEMA aside", "CREATE TABLE aside.orders AS SELECT * FROM shop.orders")
    assert verify(target).code == 0
    return target


def verify(target: Target, *options: str) -> Said:
    return target.etl("verify", "acme", *options)


@pytest.mark.slow
def test_damage_to_the_table(target: Target) -> None:
    settled(target, "upsert")
    attacks = {
        "UPDATE shop.orders SET name = 'spoiled' WHERE order_id = 205": "column `name` differs",
        "DELETE FROM shop.orders WHERE order_id = 105": "15 rows published, 14 in",
        "INSERT INTO shop.orders SELECT * REPLACE (DATE '2025-12-31' AS etl_partition) FROM shop.orders": "holds 45 rows of"
        " partition 2025-12-31, which was never loaded",
        "ALTER TABLE shop.orders ALTER COLUMN cents TYPE VARCHAR": "column `cents` of",
    }
    remedies = {
        "name = 'spoiled'": f"-> `etl run acme --pipeline orders --stage load --from {DAYS[1]} --to {DAYS[1]} --reload`",
        "DELETE": f"-> `etl run acme --pipeline orders --stage load --from {DAYS[0]} --to {DAYS[0]} --reload`",
        "INSERT": f"-> `etl run acme --pipeline orders --stage load --from {DAYS[2]} --to {DAYS[2]} --reload` removes them",
        "ALTER": f"-> `etl set-aside acme orders --yes` renames it and deletes nothing, then `etl run acme --pipeline orders --stage load"
        f" --from {DAYS[0]} --to {DAYS[2]}`",
    }
    for attack, said in attacks.items():
        target.warehouse(COPY, attack)
        found = verify(target)
        assert (found.code, said in found.text) == (1, True), (attack, found.text)
        (remedy,) = [text for begin, text in remedies.items() if begin in attack]
        assert remedy in found.text, (remedy, found.text)
    target.warehouse("DROP TABLE shop.orders", "CREATE VIEW shop.orders AS SELECT * FROM aside.orders")
    found = verify(target)
    assert found.code == 1
    assert "is no table but a view" in found.text
    target.warehouse("DROP VIEW shop.orders", COPY)
    assert verify(target).code == 0


@pytest.mark.slow
def test_damage_before_the_table(target: Target) -> None:
    settled(target, "replace_partition")
    rejected = {day: next(target.object("transfer_quarantine", day).parent.iterdir()) for day in DAYS}

    def put_back(day: str, content: bytes) -> Callable[[], object]:
        return lambda: rejected[day].write_bytes(content)

    first, second = (rejected[day].read_bytes() for day in DAYS[:2])
    rejected[DAYS[0]].unlink()
    found = verify(target)
    assert (found.code, "rejected are gone, and nobody discarded them" in found.text) == (1, True), found.text
    rejected[DAYS[0]].write_bytes(second)
    found = verify(target)
    assert (found.code, "they were replaced by hand" in found.text) == (1, True), found.text
    put_back(DAYS[0], first)()
    assert verify(target).code == 0
    said = target.etl("quarantine", "discard", "acme", "orders", "--partition", DAYS[0], "--why", "test", "--yes")
    assert said.code == 0, said.text
    assert verify(target).code == 0  # a person decided so
    target.source("INSERT INTO orders VALUES (1, 'undated', 1, NULL), (2, 'early', 1, '2025-12-31 10:00:00')")
    found = verify(target)
    assert (found.code, "2 rows of the source belong to no partition" in found.text) == (0, True), found.text
    target.source("DELETE FROM orders WHERE order_id = 205")
    found = verify(target)
    assert (found.code, "19 rows in the source, 20 were extracted" in found.text) == (1, True), found.text
    alone = ["-m", "tenants.acme.definitions", "--select", "acme/extract/orders", "--partition", DAYS[1]]
    said = target.dagster("asset", "materialize", *alone)
    assert said.code == 0, said.text
    found = verify(target)
    assert (found.code, "the transfer was made from another version of extract orders" in found.text) == (1, True)


@pytest.mark.slow
def test_what_was_not_compared_has_an_exit_code_of_its_own(target: Target) -> None:
    settled(target, "append")
    for options in (["--days", "1"], ["--max-rows", "3"]):
        found = verify(target, *options)
        assert (found.code, "not compared" in found.text) == (3, True), found.text
    target.warehouse("DELETE FROM shop.orders")
    found = verify(target)
    assert (found.code, "15 rows published, 0 in" in found.text) == (1, True), found.text


def test_nothing_settled_is_not_green(target: Target) -> None:
    target.project.write_pipeline({"partitions": {"start": "2999-01-01", "end": None}})
    found = verify(target)
    assert (found.code, "no settled day" in found.text) == (3, True), found.text
