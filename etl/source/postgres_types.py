"""Decides how each PostgreSQL type is read: as it is if that keeps every value, otherwise through an exact carrier.

Belongs here: planning a column from its type in the catalogue. Not here: reading the catalogue, connections.
"""

from dataclasses import dataclass

from etl.source.contract import PlannedColumn, WindowKind
from etl.source.writer import OUTSIDE, complain, in_calendar, strict_cast
from etl.sql import quote

WIDEST = 38  # digits of a decimal in Arrow, Parquet, Polars and DuckDB
FREE_SCALE = 18  # places behind the point for a numeric that declares none
_NATIVE = {  # sent and read in binary, every value exact
    "bool": "BOOLEAN",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "text": "VARCHAR",
    "varchar": "VARCHAR",
    "bytea": "BLOB",
}
_TIMES = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "time": "TIME"}
_OIDS = ("oid", "xid", "cid")
_TEXT_READ_AS_IS = ("uuid", "json", "jsonb")
_ELEMENTS = {"_int2", "_int4", "_int8", "_float4", "_float8", "_bool", "_text", "_varchar"}
WINDOW_KINDS: dict[str, WindowKind] = {
    "timestamptz": "instant",
    "timestamp": "wall",
    "date": "date",
    "text": "text",
    "varchar": "text",
}


@dataclass(frozen=True)
class CatalogueType:
    """A type as the catalogue describes it. A domain is already replaced by its base type."""

    name: str  # pg_type.typname: int4, numeric, _int4 ...
    modifier: int  # precision, scale, length; -1: none
    display: str  # format_type: numeric, integer[] ...
    kind: str  # pg_type.typtype: b, e, c, r ...
    dimensions: int = 0  # of an array, as declared


def planned(index: int, name: str, kind: CatalogueType, *, only_text: bool = False) -> PlannedColumn:
    """Plan how a column is read. `only_text` reads times as text, for a client that changes very early or late ones."""
    source, carrier = quote("postgresql", name), f"c{index}"
    text = f"{source}::text"
    if kind.name in _NATIVE:
        return PlannedColumn(name, _NATIVE[kind.name], source, carrier, as_is=True)
    if kind.name in _TIMES:
        target = _TIMES[kind.name]
        restore = _bounded(carrier, target, name, from_text=only_text)
        if only_text:
            return PlannedColumn(name, target, text, restore, "VARCHAR")
        return PlannedColumn(name, target, source, restore, as_is=True)
    if kind.name == "numeric":
        return _numeric(index, name, kind)
    if kind.name == "money":
        target = "DECIMAL(22,3)"
        cast = strict_cast(carrier, target, name)
        return PlannedColumn(name, target, f"{source}::numeric::text", cast, "VARCHAR")
    if kind.name in _OIDS:
        return PlannedColumn(name, "BIGINT", f"{text}::bigint", carrier)
    if kind.name in _ELEMENTS and kind.dimensions <= 1:
        return _list(index, name, kind)
    if kind.name == "bpchar" and kind.modifier >= 0:  # every client cuts the blanks that belong to char(n)
        width = kind.modifier - 4
        padded = f"CASE WHEN length({carrier}) = {width} THEN {carrier} ELSE rpad({carrier}, {width}, ' ') END"
        return PlannedColumn(name, "VARCHAR", text, padded, as_is=True)
    if kind.name == "bpchar":  # without a length the blanks at the end are the value's own
        text = f"CASE WHEN {source} IS NOT NULL THEN concat({source}) END"
    as_is = kind.name in _TEXT_READ_AS_IS or kind.kind == "e"
    return PlannedColumn(name, "VARCHAR", text, f"CAST({carrier} AS VARCHAR)", "VARCHAR", as_is=as_is)


def _bounded(carrier: str, target: str, name: str, *, from_text: bool) -> str:
    """Refuse 24:00:00, infinity and dates outside the years 1 to 9999, which readers cannot show right."""
    value = strict_cast(carrier, target, name) if from_text else carrier
    typed = f"TRY_CAST({carrier} AS {target})" if from_text else carrier
    if target == "TIME":
        return complain(f"{typed} >= TIME '24:00:00'", name, "holds the time 24:00:00", value)
    kept = in_calendar(typed, target, name, value)
    # DuckDB would read the server's text `0044-03-15 BC` as the year 44 AD
    return complain(f"ends_with({carrier}, ' BC')", name, OUTSIDE, kept) if from_text else kept


def _numeric(index: int, name: str, kind: CatalogueType) -> PlannedColumn:
    """Read a number as text and cast it strictly: a NaN, or a value with too many digits, stops the extract."""
    source, carrier = quote("postgresql", name), f"c{index}"
    text = f"{source}::text"
    if kind.modifier >= 0:
        precision = (kind.modifier - 4) >> 16 & 0xFFFF
        scale = ((kind.modifier - 4) & 0x7FF ^ 1024) - 1024
        digits = max(precision - min(scale, 0), scale)  # numeric(5,-2) has 7 digits, numeric(3,5) has 5
        if digits <= WIDEST:
            target = f"DECIMAL({digits},{max(scale, 0)})"
            restore = strict_cast(carrier, target, name)
            exact = 0 <= scale <= precision
            guard = f"{source} = 'NaN'" if exact else ""
            return PlannedColumn(name, target, text, restore, "VARCHAR", as_is=exact, guard=guard)
        places = min(max(scale, 0), FREE_SCALE)
    else:
        places = FREE_SCALE
    target = f"DECIMAL({WIDEST},{places})"
    fraction = f"split_part({carrier}, '.', 2)"
    many = f"length({fraction}) > {places} AND length(rtrim({fraction}, '0')) > {places}"
    restore = complain(many, name, f"holds a number with more than {places} decimal places", "{}")
    return PlannedColumn(name, target, text, restore.replace("{}", strict_cast(carrier, target, name)), "VARCHAR")


def _list(index: int, name: str, kind: CatalogueType) -> PlannedColumn:
    """Read an array as a list. An array with several dimensions, or whose first index is not 1, stops the extract."""
    source, carrier = quote("postgresql", name), f"c{index}"
    odd = f"(array_ndims({source}) > 1 OR array_lower({source}, 1) <> 1)"
    target = f"{_NATIVE[kind.name.removeprefix('_')]}[]"
    why = "holds an array of several dimensions, or one that does not begin at 1"
    return PlannedColumn(
        name,
        target,
        f"CASE WHEN {odd} THEN NULL ELSE {source} END",
        complain(f"f{index}", name, why, carrier),
        flag=f"coalesce({odd}, false)",
    )
