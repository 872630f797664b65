"""Compares the warehouse's table with the state in which one clean load of all published objects would leave it.

Belongs here: which rows and columns the table should have in each mode, without the code of loads. Not here: comparing
their values (`verify_rows`), the objects themselves (`verify_lake`), the entries of the ledger (`verify_ledger`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from etl.config.pipeline_config import TrinoOutput
from etl.errors import WarehouseError
from etl.lake.lake import Pinned
from etl.partitions.cut import Cut, are_alike, cut_of, described
from etl.partitions.keys import column_type, kind_of
from etl.partitions.scheme import StaticKeys
from etl.pipeline.remedies import Remedies
from etl.pipeline.verdict import Findings, TableVerdict
from etl.pipeline.verify_ledger import appended_loads, held_by_the_ledger, kept_rows, standing
from etl.pipeline.verify_rows import ComparedTable, Expected, compare_rows, positions_of, winners_among
from etl.warehouse.contract import (
    LOAD_COLUMN,
    PARTITION_COLUMN,
    TECHNICAL_COLUMNS,
    LedgerEntry,
    Warehouse,
)
from etl.warehouse.digest import rows_in


def compare_table(
    remedies: Remedies,
    output: TrinoOutput,
    warehouse: Warehouse,
    ledger: Sequence[LedgerEntry],
    published: Mapping[str | None, Pinned],
    max_rows: int,
) -> TableVerdict:
    """Compare the whole table with all published objects; `ledger` has the entries of this tenant."""
    verdict, table = TableVerdict(), ComparedTable(warehouse, output, remedies)
    entries = standing(ledger, output)
    if len({each.pipeline for each in entries} | {remedies.pipeline.name}) > 1:
        verdict.whole.skip(
            f"{table.name} is loaded by other pipelines too, so that its rows are mixed",
            remedies.edit("give each pipeline another `trino_output.target_table`") + f", then {remedies.make_anew()}",
        )
        return verdict
    try:
        _compare(verdict, table, entries, published, max_rows)
    except WarehouseError as error:  # an unreadable table is a finding; other pipelines are still compared
        verdict.whole.differ(
            error.problem, f"{error.hint}; {remedies.verify()}" if error.hint else remedies.make_anew()
        )
    return verdict


def _compare(
    verdict: TableVerdict,
    table: ComparedTable,
    entries: Sequence[LedgerEntry],
    published: Mapping[str | None, Pinned],
    max_rows: int,
) -> None:
    output = table.output
    wanted = dict(published)
    if not entries and not wanted:
        return  # nothing is to be there, and a warehouse that nobody loaded yet cannot be asked
    found = table.found
    if found and found.kind == "table" and _is_cut_otherwise(verdict, table, entries):
        return
    refused = _refused(table, entries) if found and found.kind == "table" else ""
    current = held_by_the_ledger(verdict, entries, wanted, table.remedies, is_refused=bool(refused))
    if found is None:
        verdict.whole.differ(f"{table.name} does not exist", table.remedies.load_all())
        return
    if found.kind != "table":
        verdict.whole.differ(f"{table.name} is no table but a {found.kind}", table.remedies.make_anew())
        return
    if refused:
        verdict.whole.differ(refused, table.remedies.make_anew())
        return
    columns = {each.name: each.type for each in found.columns}
    shape = _shape(table, columns, list(wanted.values()))
    for each in shape:
        verdict.whole.differ(each.problem, table.remedies.make_anew())
    if any(each.is_missing for each in shape):
        return  # there is nothing to read the values from
    if PARTITION_COLUMN in columns:
        _by_partition(verdict, table, columns, entries, current, max_rows)
    elif output.mode == "append":
        _snapshots(verdict, table, columns, entries, current, max_rows)
    else:
        _whole(verdict, table, current, max_rows)


def _refused(table: ComparedTable, entries: Sequence[LedgerEntry]) -> str:
    """Return why the ledger does not say what the table holds, so that a load refuses it; empty if it does."""
    if not entries and (nameless := table.count()):
        return f"{table.name} holds {nameless} rows, and the ledger names no load of it"
    lost = table.warehouse.lost_entries(table.output.target_schema, table.output.target_table)
    numbers = ", ".join(map(str, lost))
    return (
        f"the ledger lacks entries that {table.name} has had ({numbers}), and a load refuses such a table"
        if lost
        else ""
    )


def _is_cut_otherwise(verdict: TableVerdict, table: ComparedTable, entries: Sequence[LedgerEntry]) -> bool:
    """Whether rows stand in the table that were cut in another way; each load is refused then."""
    now = cut_of(table.remedies.pipeline.scheme)
    cuts = {each.partition: Cut(each.partition, each.cut_by) if each.partition else None for each in entries}
    others = {partition: each for partition, each in cuts.items() if not are_alike(each, now)}
    if not others:
        return False
    verdict.loaded = {each.partition: each.rows for each in entries}
    rows = sum(each.rows for each in entries if each.partition in others)
    twice = "; whatever both have stands in it twice" if len(others) < len(cuts) else ""
    verdict.anew = table.remedies.cut_anew()
    verdict.whole.differ(
        f"{table.name} holds {rows} rows that were loaded by {described(next(iter(others.values())))}, and the pipeline"
        f" has {described(now)}: they are cut into partitions in another way{twice}",
        verdict.anew,
    )
    return True


def _rows_of_other_keys(
    verdict: TableVerdict, table: ComparedTable, columns: Mapping[str, str], entries: Sequence[LedgerEntry]
) -> None:
    """Find rows in partitions that the pipeline does not have, although by their column they belong to one it has.

    So were they left by a release that did not record by which column a table's keys were cut.
    """
    scheme = table.remedies.pipeline.scheme
    outside = {each.partition for each in entries if each.partition and not scheme.has(each.partition)}
    if not outside or not isinstance(scheme, StaticKeys):
        return
    column = next((each for each in columns if each.casefold() == scheme.by.casefold()), None)
    found = table.counts(PARTITION_COLUMN, column) if column else {}
    rows = sum(count for (key, value), count in found.items() if key in outside and str(value) in scheme.values)
    if rows:
        verdict.whole.differ(
            f"{rows} rows of {table.name} stand in partitions like {min(filter(None, outside))}, which the pipeline"
            f" does not have, and by their `{column}` in another one: the same rows stand in it twice",
            table.remedies.cut_anew(),
        )


class _Difference(NamedTuple):
    """A column that differs from the column that a load would make."""

    problem: str
    is_missing: bool = False


def _shape(table: ComparedTable, columns: Mapping[str, str], objects: Sequence[Pinned]) -> list[_Difference]:
    """Compare the table's columns and types with the columns that loads of these objects make."""
    made: dict[str, set[str]] = {}
    for each in objects:
        for name, kinds in table.warehouse.made_columns(each.path).items():
            made.setdefault(name.casefold(), set()).update(kinds)
    own = {name.casefold(): kind for name, kind in columns.items() if name not in TECHNICAL_COLUMNS}
    found = [
        _Difference(f"column `{name}` of {table.name} is in no published object")
        for name in sorted(own.keys() - made.keys())
    ]
    found += [
        _Difference(f"column `{name}` is not in {table.name}", is_missing=True)
        for name in sorted(made.keys() - own.keys())
    ]
    for name in sorted(own.keys() & made.keys()):
        if own[name] not in made[name]:
            makes = " or ".join(sorted(made[name]))
            found.append(_Difference(f"column `{name}` of {table.name} is {own[name]}, a load makes {makes}"))
    partition = next((each.ref.partition for each in objects if each.ref.partition), None)
    technical = {LOAD_COLUMN: "BIGINT"} | ({PARTITION_COLUMN: column_type(partition)} if partition else {})
    for name, kind in technical.items():
        if name in columns and columns[name] not in table.warehouse.made_types(kind):
            found.append(_Difference(f"column `{name}` of {table.name} is {columns[name]}, a load makes {kind}"))
    return found


def _by_partition(
    verdict: TableVerdict,
    table: ComparedTable,
    columns: Mapping[str, str],
    entries: Sequence[LedgerEntry],
    current: Mapping[str | None, Pinned],
    max_rows: int,
) -> None:
    """Check that every row belongs to a loaded partition, and that each partition has the expected rows."""
    known = {each.partition for each in entries}
    counts = table.counts_by_key(PARTITION_COLUMN, kind_of(next((each for each in known if each), "")) or "day")
    for partition in sorted(counts.keys() - known, key=str):
        of = f"of partition {partition}, which was never loaded" if partition else "without a partition"
        problem = f"{table.name} holds {counts[partition]} rows {of}"
        verdict.whole.differ(problem, table.remedies.load_anything_again())
    _rows_of_other_keys(verdict, table, columns, entries)
    output = table.output
    if output.mode == "append" and LOAD_COLUMN in columns:
        appended_loads(verdict, table.counts(PARTITION_COLUMN, LOAD_COLUMN), entries, table.remedies)
    if output.mode == "upsert":
        kept_rows(verdict, table.warehouse, output, entries, table.remedies)
    is_upsert = output.mode == "upsert" and bool(current)
    winners = winners_among(output, current, max_rows) if is_upsert else None
    if is_upsert and winners is None:
        rows = sum(each.rows for each in current.values())
        verdict.whole.skip(
            f"the values of {rows} rows were not compared: more than {max_rows} (`--max-rows`)",
            table.remedies.verify("--max-rows", str(rows)),
        )
        return
    expected = [
        Expected(pinned, table.rows(partition), counts.get(partition, 0), positions_of(winners, partition))
        for partition, pinned in current.items()
    ]
    compare_rows(verdict, table, expected, max_rows)


def _whole(verdict: TableVerdict, table: ComparedTable, current: Mapping[str | None, Pinned], max_rows: int) -> None:
    for partition, pinned in current.items():
        winners = None
        if table.output.mode == "upsert":
            winners = winners_among(table.output, current, max_rows)
            if winners is None:
                verdict.whole.skip(
                    f"the values of {pinned.rows} rows were not compared: more than {max_rows} (`--max-rows`)",
                    table.remedies.verify("--max-rows", str(pinned.rows)),
                )
                return
        expected = Expected(pinned, table.rows(), table.count(), positions_of(winners, partition))
        compare_rows(verdict, table, [expected], max_rows)


def _snapshots(
    verdict: TableVerdict,
    table: ComparedTable,
    columns: Mapping[str, str],
    entries: Sequence[LedgerEntry],
    current: Mapping[str | None, Pinned],
    max_rows: int,
) -> None:
    """Check a table of appended snapshots: it has each version that the ledger names once, and no other rows."""
    found, rows = verdict.whole, table.count()
    total = sum(rows_in(each.digest) if each.digest else each.rows for each in entries)
    if rows != total:
        found.differ(f"{total} rows of {len(entries)} loads, {rows} in {table.name}", table.remedies.begin_anew())
        return
    older = [each for each in entries if each.version not in {pinned.version for pinned in current.values()}]
    if older and LOAD_COLUMN not in columns:
        old = "an earlier release did not write down which rows are of which snapshot"
        found.skip(old, table.remedies.begin_anew())
        return
    found.add(_older_snapshots(table, older))
    for pinned in current.values():
        part, counts = table.rows(), rows
        if LOAD_COLUMN in columns and any(each.digest for each in entries if each.version == pinned.version):
            seq = max(each.seq for each in entries if each.version == pinned.version)
            part, counts = table.rows(load=seq), table.counts_by_key(LOAD_COLUMN).get(str(seq), 0)
        compare_rows(verdict, table, [Expected(pinned, part, counts)], max_rows)


def _older_snapshots(table: ComparedTable, older: Sequence[LedgerEntry]) -> Findings:
    """Compare the rows of snapshots whose objects are not kept with the digests in the ledger."""
    found, unknown = Findings(), 0
    held = table.warehouse.holds({table.rows(load=each.seq): each.digest for each in older})
    for each in older:
        same = held[table.rows(load=each.seq)]
        snapshot = f"the snapshot that run {each.run_id[:8]} loaded"
        if same is False:
            changed = f"the rows of {snapshot} are not those that stand in {table.name} now"
            found.differ(changed, table.remedies.begin_anew())
        elif same is None:
            unknown += each.rows
    if unknown:
        found.skip(
            f"{unknown} rows of earlier snapshots: their objects are not kept, nor a digest of this database's release",
            table.remedies.begin_anew(),
        )
    return found
