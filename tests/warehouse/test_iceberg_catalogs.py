"""The same loads through other catalogs: REST, which is stricter with names than a database is, and Glue."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import SecretStr

from etl.lake.lake import Lake
from etl.warehouse.contract import TrinoPlace
from tests.lake.objects import DAY, NEXT_DAY, load, publish
from tests.servers import free_port, object_store, seaweed
from tests.servers.object_store import ObjectStore
from tests.servers.trino import TrinoServer
from tests.warehouse.cluster import A, B, lake, opened, rows

__all__ = ["lake"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LOGIN = {"aws_access_key_id": seaweed.ACCESS, "aws_secret_access_key": seaweed.SECRET, "region_name": "us-east-1"}


@pytest.fixture(scope="module", params=["rest", "glue"])
def place(request: pytest.FixtureRequest, trino: TrinoServer) -> Iterator[TrinoPlace]:
    """A catalog of this kind, which Trino shows."""
    name = f"{request.param}_{uuid.uuid4().hex[:8]}"
    with _rest() if request.param == "rest" else _glue(trino.store, name) as (store, said, iceberg):
        shown = {"iceberg.catalog.type": request.param, **said, **_files(store)}
        properties = ", ".join(f"\"{key}\" = '{value}'" for key, value in shown.items())
        trino.rows(f"CREATE CATALOG {name} USING iceberg WITH ({properties})")
        known = {"type": request.param, **iceberg, **_files_of_pyiceberg(store)}
        secret = {key: SecretStr(value) for key, value in known.items()}
        yield TrinoPlace(host="127.0.0.1", port=trino.port, user="tests", catalog=name, iceberg=secret)
        trino.rows(f"DROP CATALOG {name}")


Found = tuple[ObjectStore, Mapping[str, str], Mapping[str, str]]


@contextmanager
def _rest() -> Iterator[Found]:
    """The catalog of a SeaweedFS."""
    port = free_port()
    with seaweed.serving(port) as store:
        client: Any = boto3.client("s3tables", endpoint_url=store.endpoint, **LOGIN)
        client.create_table_bucket(name="tables")
        uri, credential = f"http://127.0.0.1:{port}", f"{store.access_key}:{store.secret_key}"
        said = {
            "iceberg.rest-catalog.uri": uri,
            "iceberg.rest-catalog.warehouse": "s3://tables",
            "iceberg.rest-catalog.security": "OAUTH2",
            "iceberg.rest-catalog.oauth2.credential": credential,
            "iceberg.rest-catalog.oauth2.server-uri": f"{uri}/v1/oauth/tokens",
        }
        login = {"credential": credential, "oauth2-server-uri": f"{uri}/v1/oauth/tokens"}
        yield store, said, {"uri": uri, "warehouse": "s3://tables", **login}


@contextmanager
def _glue(store: ObjectStore, name: str) -> Iterator[Found]:
    """The Glue of moto, with the files in a bucket of the store."""
    bucket = name.replace("_", "-")
    store.client().create_bucket(Bucket=bucket)
    with object_store.serving() as moto:
        said = {
            "hive.metastore.glue.endpoint-url": moto.endpoint,
            "hive.metastore.glue.region": "us-east-1",
            "hive.metastore.glue.aws-access-key": moto.access_key,
            "hive.metastore.glue.aws-secret-key": moto.secret_key,
            "hive.metastore.glue.default-warehouse-dir": f"s3://{bucket}/wh",
        }
        login = {"glue.access-key-id": moto.access_key, "glue.secret-access-key": moto.secret_key}
        where = {"glue.endpoint": moto.endpoint, "glue.region": "us-east-1", "warehouse": f"s3://{bucket}/wh"}
        yield store, said, {**where, **login}


def _files(store: ObjectStore) -> dict[str, str]:
    return {
        "fs.native-s3.enabled": "true",
        "s3.endpoint": store.endpoint,
        "s3.region": "us-east-1",
        "s3.path-style-access": "true",
        "s3.aws-access-key": store.access_key,
        "s3.aws-secret-key": store.secret_key,
    }


def _files_of_pyiceberg(store: ObjectStore) -> dict[str, str]:
    return {
        "s3.endpoint": store.endpoint,
        "s3.access-key-id": store.access_key,
        "s3.secret-access-key": store.secret_key,
        "s3.region": "us-east-1",
        "s3.force-virtual-addressing": "false",
    }


@pytest.mark.parametrize("mode", ["replace_partition", "append", "upsert"])
def test_loads_through_another_catalog(lake: Lake, place: TrinoPlace, tmp_path: Path, mode: str) -> None:
    warehouse, given = opened(place, tmp_path), {"mode": mode, "table": f"by_{mode}"}
    for day, frame in ((DAY, A), (NEXT_DAY, B)):
        publish(lake, frame, day)
        assert load(lake, warehouse, day, keys=["id"], **given).changed
    expected = B.rows() if mode == "upsert" else sorted([*A.rows(), *B.rows()], key=str)
    assert rows(warehouse, table=given["table"]) == expected
    assert not any(load(lake, warehouse, day, keys=["id"], **given).changed for day in (DAY, NEXT_DAY))
    assert [each.partition for each in warehouse.ledger() if each.table_name == given["table"]] == [DAY, NEXT_DAY]


def test_another_catalog_is_tried_out(place: TrinoPlace, tmp_path: Path) -> None:
    assert place.catalog in opened(place, tmp_path).try_out().words
