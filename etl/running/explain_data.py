"""Adds to an explanation what the lake and the ledger say: what is published, set aside, loaded, and out of date.

Belongs here: looking at one partition of each stage. Not here: what the event log says (`explain`), comparing rows with
the source (`etl.pipeline.verify`). It opens the lake and the warehouse, so no sensor calls it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig, fingerprint
from etl.errors import EtlError
from etl.lake.lake import Published
from etl.partitions.keys import key_of_value, kind_of
from etl.pipeline.stage import StageRun
from etl.pipeline.tables import present_inputs
from etl.running.explain import Explanation
from etl.running.explain_missing import MissingPartitions, missing_partitions, remaking
from etl.settings import Settings
from etl.warehouse.contract import LOAD_COLUMN, PARTITION_COLUMN, CountedRows, LedgerEntry, Warehouse
from etl.warehouse.ledger import live

_NAMED = 3
"""So many partitions that are gone are named."""


@dataclass
class _Seen:
    """What was found out about one partition."""

    lines: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    """What is to be in the lake and is not: it was published once, or it is complete."""
    stale: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    absent: tuple[str, ...] = ()
    """The partitions of which `gone` speaks."""


def with_data(
    explanation: Explanation,
    config: TenantConfig,
    pipeline: PipelineConfig,
    settings: Settings,
    warehouse: Warehouse,
    partition: str | None,
    once: Collection[str] = (),
    now: datetime | None = None,
) -> Explanation:
    """Return the explanation with what the data say. Without a partition, the newest published one is looked at.

    That each complete partition is there is seen from a listing; only one of them is opened. `once` are the partitions
    that are known to have been published; the empty text stands for a whole table.
    """
    seen = _Seen()
    run = StageRun(config=config, pipeline=pipeline, partition=partition, run_id="explain", settings=settings)
    try:
        key = partition
        if pipeline.partitions:
            promised = config.sla_of(pipeline.name)
            found = missing_partitions(
                run, now or datetime.now(UTC), once=once, is_promised=bool(promised and promised.freshness)
            )
            key = key or (found.present[-1] if found.present else None)
            _note_absent(found, once, partition, seen)
        if key is None and pipeline.partitions:
            seen.missing.append("no partition of it is in the lake")
        else:
            run = run.model_copy(update={"partition": key})
            _look(run, warehouse, seen)
            if seen.missing and not (seen.lines or seen.absent) and (key or "") in once:
                _note_gone([key or ""], seen)
    except (EtlError, OSError) as error:
        why = error.problem if isinstance(error, EtlError) else error.strerror
        seen.unknown.append(f"the lake cannot be read: {why}")
    finally:
        run.close()
    return _joined(explanation, seen, config, pipeline, partition)


def _note_absent(found: MissingPartitions, once: Collection[str], partition: str | None, seen: _Seen) -> None:
    """Note what is missing, of all partitions or of the one that is asked about."""
    absent = [each for each in found.absent if partition in (None, each)]
    if not (found.present or partition):  # nothing of it is there: what never ran is not known, and not missing
        absent = [each for each in absent if each in once]
    seen.absent = tuple(absent)
    empty = [each for each in absent if each in found.empty]
    _note_gone([each for each in absent if each in once and each not in empty], seen)
    if empty:
        seen.gone.append(f"the published object of {_named(empty)} has 0 bytes")
    if never := [each for each in absent if each not in once and each not in empty]:
        be, it = ("is", "it") if len(never) == 1 else ("are", "them")
        seen.gone.append(f"{_named(never)} {be} complete, and the lake has no object of {it}")


def _note_gone(keys: Sequence[str], seen: _Seen) -> None:
    if keys:
        were, it = ("was", "it") if len(keys) == 1 else ("were", "them")
        seen.gone.append(f"{_named(keys)} {were} published, and the lake has no object of {it} now")


def _named(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return f"{', '.join(each or 'the table' for each in keys[-_NAMED:])}{more}"


def _look(run: StageRun, warehouse: Warehouse, seen: _Seen) -> None:
    name = f" {run.partition}" if run.partition else ""
    published: Published | None = None
    for stage in run.pipeline.stages:
        if stage == "load":
            continue
        found = run.lake.find(run.ref(stage))
        if found is None:
            seen.missing.append(f"{stage}{name} is not published")
            return
        published = found
        said = found.provenance
        seen.lines.append(
            f"{stage}{name}: {found.rows:,} rows published at {said.created_at:%Y-%m-%d %H:%M} UTC by run"
            f" {said.run_id[:8]}; {_audit(found)}"
        )
        if said.rows_quarantined:
            option = f" --partition {run.partition}" if run.partition else ""
            command = f"`etl quarantine show {run.config.id} {run.pipeline.name}{option}`"
            seen.lines.append(f"{stage}{name}: {said.rows_quarantined:,} rows were set aside, {command} shows them")
        if said.config_hash != fingerprint(run.pipeline):
            seen.lines.append(
                f"{stage}{name}: the configuration has changed since; other rules may have judged these rows"
            )
        if stage == "transfer":
            seen.stale += _outdated(run, found)
    if run.pipeline.save_to_trino and published is not None:
        seen.stale += _loaded(run, warehouse, published, seen)


def _audit(published: Published) -> str:
    said = published.provenance
    match said.audit:
        case "passed" if not published.rows:
            return "no rule examined a row"
        case "passed":
            return "every rule passed"
        case "warned":
            return "a rule warned"
        case "failed":
            return "rules failed, and " + (
                "the bad rows were set aside" if said.rows_quarantined else "all was published"
            )
        case _:
            return "no rule judged it"


def _outdated(run: StageRun, refined: Published) -> Iterator[str]:
    made_from = refined.provenance.inputs
    if made_from is None:
        return
    if made_from.digest != present_inputs(run).digest:
        yield "its transfer was made from other versions of its inputs than are published now"


def _loaded(run: StageRun, warehouse: Warehouse, published: Published, seen: _Seen) -> list[str]:
    output = run.pipeline.trino_output
    if output is None:
        return []
    target = (output.target_schema, output.target_table)
    try:
        entries = [each for each in warehouse.ledger() if (each.schema_name, each.table_name) == target]
    except EtlError as error:
        seen.unknown.append(f"the ledger cannot be read: {error.problem}")
        return []
    own = [each for each in live(entries) if each.partition == run.partition and each.tenant == run.config.id]
    if not own:
        seen.missing.append(f"{'.'.join(target)} does not hold it yet")
        return []
    last = own[-1]
    seen.lines.append(
        f"load: the ledger says that {last.rows:,} rows were loaded into {'.'.join(target)} at"
        f" {last.loaded_at:%Y-%m-%d %H:%M} UTC by run {last.run_id[:8]}"
    )
    _count(run, warehouse, last, seen)
    if last.version != published.version:
        return [f"{'.'.join(target)} holds another version than is published"]
    return []


def _count(run: StageRun, warehouse: Warehouse, last: LedgerEntry, seen: _Seen) -> None:
    """Count the rows that the table has now: somebody may have removed what the ledger says was loaded."""
    column = LOAD_COLUMN if last.mode == "append" else PARTITION_COLUMN if run.partition else None
    mine = str(last.seq) if last.mode == "append" else run.partition
    kind = kind_of(run.partition) if run.partition else None
    table = f"{last.schema_name}.{last.table_name}"
    wanted = CountedRows(last.schema_name, last.table_name, (column,) if column else ())
    try:
        (counts,) = warehouse.counts([wanted])
        found = sum(
            rows
            for values, rows in counts.items()
            if not values or key_of_value(values[0], kind if kind and column == PARTITION_COLUMN else "static") == mine
        )
    except EtlError as error:
        seen.unknown.append(f"{table} cannot be counted: {error.problem}")
        return
    seen.lines.append(f"{table} has {found:,} rows of it now")
    fits = 0 < found <= last.rows or found == last.rows if last.mode == "upsert" else found == last.rows
    if not fits:  # by `upsert`, rows of other partitions may hide some
        seen.stale.append(f"{table} has {found:,} rows of it, and {last.rows:,} were loaded")


def _joined(
    explanation: Explanation, seen: _Seen, config: TenantConfig, pipeline: PipelineConfig, partition: str | None
) -> Explanation:
    """Let the data correct what the event log says: nothing is healthy that is missing, out of date or unknown."""
    found = replace(
        explanation,
        evidence=(*explanation.evidence, *seen.lines, *seen.gone, *seen.missing, *seen.stale, *seen.unknown),
    )
    at = f" --from {partition}" if partition and pipeline.partitions and not pipeline.partitions.keys else ""
    at = f" --partition {partition}" if partition and pipeline.partitions and pipeline.partitions.keys else at
    command = f"`etl run {config.id} --pipeline {pipeline.name}{at}`"
    if explanation.standing not in ("healthy", "unknown"):
        return found
    if seen.gone:
        commands = remaking(config.id, pipeline, seen.absent) or (command,)
        return replace(found, standing="missing", headline=seen.gone[0], next_steps=commands)
    if seen.stale:
        return replace(found, standing="stale", headline=seen.stale[0], next_steps=(command,))
    if explanation.standing == "unknown":
        return found
    if seen.missing:
        return replace(found, standing="unknown", headline=seen.missing[0], next_steps=(command,))
    if seen.unknown:
        return replace(found, standing="unknown", headline=seen.unknown[0])
    return found
