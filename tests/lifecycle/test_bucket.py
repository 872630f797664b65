"""In a bucket of several tenants, whose ids begin alike, a tenant's state and objects are its own."""

from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from etl.errors import LakeError
from etl.lake.lake import PLACEHOLDER_FOOTER, Lake, ObjectRef, Provenance, Published
from etl.lake.republish import adopt
from etl.lake.tenant_folder import TenantFolder
from etl.pipeline.life import life_in, now, write_life
from tests.lake.objects import provenance_of, s3_lake
from tests.servers.object_store import ObjectStore, bucket, object_store

__all__ = ["bucket", "object_store"]


def put(lake: Lake, tenant: str) -> Published:
    ref = ObjectRef(tenant=tenant, stage="extract", pipeline="orders", partition="2026-01-01")
    with lake.draft(ref) as path:
        pl.DataFrame({"id": [1, 2]}).write_parquet(path, metadata=dict(PLACEHOLDER_FOOTER))
        return lake.publish(ref, path, provenance_of(ref, 2))


def test_what_is_removed_copied_and_said_is_one_tenants(object_store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    with closing(s3_lake(tmp_path, object_store.settings, bucket)) as lake:
        first, second = put(lake, "a"), put(lake, "a_b")
        write_life(lake, "a", now("retired", "no more"))
        assert life_in(lake, "a_b") is None
        state = life_in(lake, "a")
        assert state is not None
        assert (state.state, state.reason) == ("retired", "no more")
        keys = [key for key, _ in TenantFolder(lake, "a").everything()]
        assert keys == ["a/extract/orders/dt=2026-01-01/data.parquet", "a/life/state/data.parquet"]
        with pytest.raises(LakeError, match="not in the folder of tenant a"):
            TenantFolder(lake, "a").delete("a_b/extract/orders/dt=2026-01-01/data.parquet")

        target = first.ref.model_copy(update={"tenant": "c"})
        said: Provenance = first.provenance.model_copy(update={"tenant": "c"})
        adopted = adopt(lake, target, lake.local_copy(first.ref), said)
        assert adopted.version == first.version
        found = lake.find(target)
        assert found is not None
        assert found.provenance == said

        for key in keys:
            TenantFolder(lake, "a").delete(key)
        assert TenantFolder(lake, "a").everything() == ()
        assert lake.find(second.ref) == second.model_copy(update={"changed": True})
