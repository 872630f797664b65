"""Finds the partitions of a run.

Belongs here: from a run to partition keys. Not here: the definition of the partitions (`partition_definitions`),
windows in time (`etl.pipeline.stage`).
"""

from collections.abc import Sequence

from dagster import AssetExecutionContext

from etl.errors import EtlError
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.running.naming import AssetAddress
from etl.running.partition_definitions import definition_of
from etl.running.run_spans import bounds


def partition_keys(
    context: AssetExecutionContext, scheme: TimeScheme | StaticKeys | WholeTable
) -> Sequence[str | None]:
    """Return the partitions of this step: one partition or a range. The run names the partitions."""
    definition = definition_of(scheme)
    if definition is None:
        return [None]
    word = scheme.word
    if context.has_partition_key or context.has_partition_key_range:
        asked = context.partition_key_range
        found = bounds(definition)
        outside = not found or asked.start < found[0] or asked.end > found[1]
        if outside if isinstance(scheme, TimeScheme) else not (scheme.has(asked.start) and scheme.has(asked.end)):
            keys = asked.start if asked.start == asked.end else f"{asked.start} to {asked.end}"
            own = f"its {word}s go from {found[0]} to {found[1]}" if found else f"no {word} of it is complete yet"
            raise EtlError(
                f"the run asks for {keys}, which {context.asset_key.to_user_string()} does not have whole: {own}",
                f"`etl run` and schedules give each pipeline the {word}s that it has",
            )
        return list(context.partition_keys)
    tenant = AssetAddress.of(context.asset_key).tenant
    if not isinstance(scheme, TimeScheme):
        raise EtlError(f"the run names no {word}", f"launch it with one: `etl run {tenant} --partition {scheme.first}`")
    raise EtlError(
        f"the run names no {word}",
        f"launch it with one (`etl run {tenant} --from {scheme.start}`, or "
        f'`--tags \'{{"dagster/partition": "{scheme.start}"}}\'`); '
        f"with this project's run launcher in dagster.yaml the newest complete {word} is taken",
    )
