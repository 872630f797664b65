"""All tenants in one code location, `dagster dev -m etl.all`, or in several: `shard_1`, `shard_2`, ... of `etl.all`.

Belongs here: the attributes that `workspace.yaml` names. Not here: merging tenants (`etl.definitions`).

An attribute is made when it is asked for, so that the process of a shard builds no other shard.
"""

from dagster import Definitions

from etl.definitions import build_all_definitions


def __dir__() -> list[str]:
    """Return what Dagster finds without being told an attribute."""
    return ["defs"]


def __getattr__(name: str) -> Definitions:
    """Return all tenants (`defs`), or those of one shard (`shard_1`)."""
    if name == "defs":
        return build_all_definitions()
    number = name.removeprefix("shard_")
    if number == name or not number.isdecimal():
        raise AttributeError(f"{__name__} has no {name}")
    return build_all_definitions(int(number))
