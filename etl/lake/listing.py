"""What a listing of the lake says about published objects, without opening any of them.

Belongs here: which partitions have an object, and its size. Not here: what an object holds (`Lake.find`).
"""

from etl.lake.lake import Lake
from etl.lake.objects import DATA, SUFFIX, ObjectRef
from etl.partitions.keys import key_in


def sizes_of_partitions(lake: Lake, tenant: str, stage: str, pipeline: str) -> dict[str, int]:
    """Return the size of the published object of each partition, from one listing."""
    folder, ending = ObjectRef(tenant=tenant, stage=stage, pipeline=pipeline).folder, f"/{DATA}{SUFFIX}"
    names = ((name.removeprefix(f"{folder}/"), size) for name, size in lake.store.everything(folder))
    found = ((key_in(name.removesuffix(ending)), size) for name, size in names if name.endswith(ending))
    return {key: size for key, size in found if key}
