"""Looks for one person's rows in every place of a tenant, and changes nothing.

Belongs here: counting, and what could not be examined. Not here: the comparison (`etl.warehouse.key_value`), erasing
(`subject`, `subject_objects`), the texts of a certificate about places without the key (`subject`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from etl.errors import EtlError, NothingExamined
from etl.lake.lake import Lake, ObjectRef
from etl.lifecycle.certificate import NotErased
from etl.lifecycle.erasable import Subject
from etl.lifecycle.item import Amount, Item
from etl.lifecycle.subject_objects import Eraser, Objects
from etl.lifecycle.subject_versions import count_versions
from etl.suggest import did_you_mean
from etl.warehouse.contents import Movable, contents
from etl.warehouse.subject_rows import CountedTable, Spellings, count_rows


@dataclass(frozen=True)
class Found:
    """How many rows of the person there are, and what could not be looked at."""

    amounts: tuple[Amount, ...]
    without_key: tuple[ObjectRef, ...]
    tables_without_key: tuple[str, ...]
    views: tuple[str, ...]
    not_examined: tuple[NotErased, ...] = ()

    @property
    def rows(self) -> int:
        """The number of the person's rows."""
        return sum(each.rows for each in self.amounts)


def search(
    subject: Subject, key: Mapping[str, str], lakes: Iterable[Lake], warehouse: Movable | None, spellings: Spellings
) -> Found:
    """Count the person's rows everywhere. `spellings` learns how the rows that are found are written."""
    objects = [Eraser(lake, subject.config, subject.settings, key, "").count(spellings) for lake in lakes]
    tables: list[CountedTable] = []
    if warehouse is not None:
        tables = count_rows(warehouse, contents(warehouse, subject.id, subject.dbt).tables, key, spellings)
    if not any(each.examined for each in objects) and warehouse is None:
        raise NothingExamined(f"tenant {subject.id} has no object and no table", "nothing was examined")
    _refuse_unknown_columns(subject, key, objects, tables)
    written = [Item(name=name) for each in objects for name in each.rewritten]
    in_objects = Amount.of("objects", "objects of the lake, also rejected rows", written)
    amounts = [in_objects.model_copy(update={"rows": sum(each.rows for each in objects)})]
    if warehouse is not None:
        there = [Item(name=each.table.target, rows=each.rows) for each in tables if each.rows]
        amounts.append(Amount.of("tables", "tables and views of the warehouse", there))
    versions = count_versions(subject, key)
    if subject.config.storage.bucket is not None:
        amounts.append(versions.amount)
    missed = [
        *(Item(name=str(ref), rows=rows) for each in objects for ref, rows, is_text in each.otherwise if not is_text),
        *(Item(name=each.table.target, rows=each.otherwise) for each in tables if each.otherwise and not each.is_text),
    ]
    if missed:
        amounts.append(Amount.of("texts", "places that show the person's values when they are read as texts", missed))
    return Found(
        tuple(amounts),
        tuple(ref for each in objects for ref in each.without_key),
        tuple(each.table.target for each in tables if each.rows is None and not each.why),
        tuple(each.table.target for each in tables if each.rows and each.table.kind != "table"),
        (*versions.not_examined, *_not_compared(objects, tables), *_other_spellings(objects, tables)),
    )


def _refuse_unknown_columns(
    subject: Subject, key: Mapping[str, str], objects: Iterable[Objects], tables: Iterable[CountedTable]
) -> None:
    """Raise an error for a key column that nothing of the tenant has: it is misspelled, so nothing was looked for."""
    known = {name for each in objects for name in each.columns}
    known |= {column.name for each in tables for column in each.table.columns}
    lowered = {each.lower() for each in known}
    for name in key:
        if known and name.lower() not in lowered:
            raise EtlError(
                f"no object and no table of tenant {subject.id} has a column `{name}`{did_you_mean(name, known)}",
                "correct the name in --key; nothing was looked for, and nothing was changed",
            )


def _not_compared(objects: Iterable[Objects], tables: Iterable[CountedTable]) -> Iterator[NotErased]:
    places: dict[str, list[str]] = {}
    for each in objects:
        for ref, why in each.unclear:
            places.setdefault(why, []).append(f"{ref.stage} {ref.pipeline}")
    for table in tables:
        if table.why:
            places.setdefault(table.why, []).append(table.table.target)
    for why, names in places.items():
        yield NotErased(
            what=f"{', '.join(sorted(set(names)))}: not compared with the key",
            why=why,
            do="look there by hand; or run the command again with the value as a column of this type writes it",
        )


def _other_spellings(objects: Iterable[Objects], tables: Iterable[CountedTable]) -> Iterator[NotErased]:
    counts: dict[str, int] = {}
    for each in objects:
        for ref, rows, is_text in each.otherwise:
            if is_text:
                name = f"{ref.stage} {ref.pipeline}"
                counts[name] = counts.get(name, 0) + rows
    for table in tables:
        if table.otherwise and table.is_text:
            counts[table.table.target] = table.otherwise
    for name, rows in sorted(counts.items()):
        yield NotErased(
            what=f"{rows} rows of {name} with the value in another spelling",
            why="the key column is a text there, and a number or a time in other places, where rows were found",
            do="if they are the person's, run the command again with the value as it is written there",
        )
