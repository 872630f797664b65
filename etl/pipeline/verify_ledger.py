"""Compares the ledger of a table with the published objects and with the rows that loads keep beside the table.

Belongs here: the valid entries, the objects that they name as loaded, the numbers of loads in an appended table, and
the rows that `upsert` keeps beside its table. Not here: the table's own rows and columns (`verify_table`).
"""

from collections.abc import Iterable, Mapping, Sequence

from etl.config.pipeline_config import TrinoOutput
from etl.lake.lake import Pinned
from etl.partitions.keys import key_of_value, kind_of
from etl.pipeline.remedies import Remedies
from etl.pipeline.verdict import TableVerdict
from etl.warehouse.contract import KEPT_SCHEMA, LOAD_COLUMN, LedgerEntry, RowsOf, Warehouse, kept_table


def standing(ledger: Sequence[LedgerEntry], output: TrinoOutput) -> list[LedgerEntry]:
    """Return the entries, oldest first, that describe what the table should hold now."""
    target = (output.target_schema.lower(), output.target_table.lower())
    found: dict[tuple[str, str | None, str], LedgerEntry] = {}
    for each in ledger:
        if (each.schema_name.lower(), each.table_name.lower()) != target:
            continue
        if each.created_table:
            found.clear()
        collects = each.mode == "append" and each.partition is None
        replaced = found.get((each.pipeline, None, ""))
        if collects and replaced and replaced.version == each.version:  # another mode had loaded this very object
            del found[(each.pipeline, None, "")]
        found[(each.pipeline, each.partition, each.version if collects else "")] = each
    return list(found.values())


def held_by_the_ledger(
    verdict: TableVerdict,
    entries: Sequence[LedgerEntry],
    wanted: Mapping[str | None, Pinned],
    remedies: Remedies,
    *,
    is_refused: bool,
) -> dict[str | None, Pinned]:
    """Return the published objects that are loaded according to the ledger, and report the other objects.

    `is_refused`: the ledger does not say what the table holds, and a load would refuse such a table.
    """
    last = {each.partition: each for each in entries}
    verdict.loaded = {partition: each.rows for partition, each in last.items()}
    for partition in last.keys() - wanted.keys():
        gone = "it is loaded, and no object of it is published"
        verdict.of(partition).differ(gone, remedies.bring_back(partition))
    current = {}
    for partition, pinned in wanted.items():
        versions = {each.version for each in entries if each.partition == partition and each.mode == "append"}
        entry = last.get(partition)
        if entry is None:
            remedy = remedies.make_anew() if is_refused else remedies.load_again(partition)
            verdict.of(partition).differ(f"{pinned.rows} rows published, never loaded", remedy)
        elif pinned.version not in versions | {entry.version}:
            run_id = pinned.provenance.run_id[:8]
            other = f"what is loaded is not what is published last (run {run_id})"
            verdict.of(partition).differ(other, remedies.load_again(partition))
        else:
            current[partition] = pinned
            if entry.rows != pinned.rows and entry.version == pinned.version:
                says = f"the ledger says that {entry.rows} rows were loaded, the object holds {pinned.rows}"
                verdict.of(partition).differ(says, remedies.load_again(partition))
    return current


def appended_loads(
    verdict: TableVerdict,
    loads: Iterable[tuple[object, ...]],
    entries: Sequence[LedgerEntry],
    remedies: Remedies,
) -> None:
    """The rows of an appended partition carry the number of the load that brought them: `loads` are these pairs."""
    numbers: dict[str, set[object]] = {}
    kind = next((kind_of(each.partition) for each in entries if each.partition), None) or "static"
    for partition, seq in loads:
        numbers.setdefault(key_of_value(partition, kind), set()).add(seq)
    for entry in (each for each in entries if each.mode == "append" and each.digest is not None):
        if numbers.get(str(entry.partition), set()) - {entry.seq}:
            other = f"rows carry another `{LOAD_COLUMN}` than {entry.seq}, which the ledger has for them"
            verdict.of(entry.partition).differ(other, remedies.load_again(entry.partition))


def kept_rows(
    verdict: TableVerdict,
    warehouse: Warehouse,
    output: TrinoOutput,
    entries: Sequence[LedgerEntry],
    remedies: Remedies,
) -> None:
    """Compare the rows that `upsert` keeps beside its table, because later loads depend on them."""
    name = kept_table(output.target_schema, output.target_table)
    digests = {
        RowsOf(KEPT_SCHEMA, name, each.partition): each
        for each in entries
        if each.mode == "upsert" and each.digest is not None
    }
    held = warehouse.holds({rows: each.digest for rows, each in digests.items()})
    for rows, entry in digests.items():
        if held[rows] is False:
            changed = f"the rows that {KEPT_SCHEMA}.{name} keeps of it are not those that were loaded"
            verdict.of(entry.partition).differ(changed, remedies.load_again(entry.partition))
    if unknown := sum(each is None for each in held.values()):
        of = f"the rows that {KEPT_SCHEMA}.{name} keeps of {unknown} partitions were not compared"
        verdict.whole.skip(f"{of}: another release of the database made their digests", remedies.load_all())
