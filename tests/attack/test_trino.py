"""Attacks the law "lineage" on a cluster: what `etl verify` calls green is in the tables of Iceberg, value by value."""

import pytest

from tests.attack.target import Target
from tests.servers import PASSWORD
from tests.servers.seaweed import SECRET, seaweed
from tests.servers.trino import Catalog, TrinoServer, trino, trino_catalog
from tests.tiny_project import DAYS, ROWS_PER_DAY

__all__ = ["seaweed", "trino", "trino_catalog"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tenant_on_trino_is_loaded_verified_and_its_damage_is_told(
    target: Target, trino: TrinoServer, trino_catalog: Catalog
) -> None:
    trino.empty(trino_catalog)  # tests of one process share it
    properties = dict(trino_catalog.properties)
    target.environ["ACME_CATALOG_URI"] = properties.pop("uri")
    target.environ["ACME_LAKE_SECRET"] = properties.pop("s3.secret-access-key")
    target.environ["ACME_LAKE_KEY"] = properties.pop("s3.access-key-id")
    target.environ["TRINO_PORT"] = str(trino.port)
    target.environ["TRINO_HOST"] = "127.0.0.1"
    secret = {"s3.access-key-id": "${ACME_LAKE_KEY}", "s3.secret-access-key": "${ACME_LAKE_SECRET}"}
    iceberg = {**properties, **secret, "uri": "${ACME_CATALOG_URI}"}
    warehouse = {"type": "trino", "catalog": trino_catalog.name, "iceberg": iceberg}
    target.project.write_tenant({"warehouse": warehouse})
    checked = target.etl("check", "--connect")
    assert checked.code == 0, checked.text
    assert f"Trino 476, catalog {trino_catalog.name}" in checked.text
    target.run_days()
    assert trino.rows(f"SELECT count(*), count(DISTINCT etl_partition) FROM {trino_catalog.name}.shop.orders") == [
        [3 * ROWS_PER_DAY, 3]
    ]
    verified = target.etl("verify", "acme")
    assert verified.code == 0, verified.text
    again = target.run_days()
    snapshots = trino.rows(f'SELECT count(*) FROM {trino_catalog.name}.shop."orders$snapshots"')
    assert snapshots == [[3]], "the second run has changed nothing"
    trino.change(f"UPDATE shop.orders SET cents = cents + 1 WHERE etl_partition = DATE '{DAYS[1]}'", trino_catalog)
    damaged = target.etl("verify", "acme")
    assert damaged.code != 0, damaged.text
    assert DAYS[1] in damaged.text
    target.run_days()
    assert target.etl("verify", "acme").code == 0
    # An entry that is not the newest one of its day: no day is named by it, but a load refuses the table.
    trino.change("DELETE FROM etl_ledger.loads WHERE target = 'shop.orders' AND seq = 2", trino_catalog)
    lost = target.etl("verify", "acme")
    assert lost.code != 0, lost.text
    assert " (2), and a load refuses such a table" in " ".join(lost.text.split()), lost.text[-900:]
    assert target.etl("set-aside", "acme", "orders", "--yes").code == 0
    target.run_days()
    assert target.etl("verify", "acme").code == 0
    target.project.write_tenant({"warehouse": {**warehouse, "iceberg": {**iceberg, "name": "another"}}})
    elsewhere = target.etl("check", "--connect")
    assert elsewhere.code == 2, elsewhere.text
    assert "are not the same catalog" in elsewhere.text
    for said in (checked, verified, again, damaged, lost, elsewhere):
        assert PASSWORD not in said.text
        assert SECRET not in said.text
