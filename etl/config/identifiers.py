"""The names that a configuration may contain, as types that refuse everything else.

Belongs here: which names a tenant, pipeline, table, column, owner, tag or time zone may have. Not here: quoting, which
is done in addition wherever a name is used in SQL.

| name | pattern | length |
|---|---|---|
| tenant, pipeline, job | `[a-z][a-z0-9_]*`, no Python keyword | 63 |
| target table and schema | `[A-Za-z_][A-Za-z0-9_$]*` | 63 |
| source table, schema and column | starts with a letter, digit or `_`; then also space `$ # . / -`, never `--` | 128 |

Names of the source may have letters of any script with combining marks (`नाम`, `ชื่อ`, a separate accent). They are
compared with the source's names character by character; nothing is normalized. No pattern admits a quote, a semicolon,
a control character, a backslash, a bracket, a colon or a percent sign.
"""

import keyword
import re
import unicodedata
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from etl.partitions.zones import near_zone, zone_names

NAME_LIMIT = 63
SOURCE_LIMIT = 128

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TARGET = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_MARK = "\u0301"  # stands for every combining mark, because `re` has no class of them
_SOURCE = re.compile(rf"(?!.*--)(?!.*(?<![\w{_MARK}]){_MARK})\w(?:[\w{_MARK} $#./-]*[\w{_MARK}$#])?")
# Marks that a person cannot see: joiners, variation selectors, two vowels of Khmer.
_UNSEEN = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_EMAIL = re.compile(r"[^@\s<>\"',;]+@[^@\s<>\"',;]+\.[^@\s<>\"',;]+")
_TEAM = re.compile(r"team:[A-Za-z0-9_-]+")
_TAG_KEY = re.compile(r"(?:[A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_RUN_TAGS = ("dagster/priority", "dagster/max_runtime")  # Dagster's own tags that users may set
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")


def _refuse(kind: str, allowed: str, suggestion: str = "", remedy: str = "") -> PydanticCustomError:
    return PydanticCustomError(
        "identifier",
        "not a valid {kind}; allowed: {allowed}",
        {"kind": kind, "allowed": allowed, "suggestion": suggestion, "remedy": remedy},
    )


def placed_error(key: str, problem: str, remedy: str) -> PydanticCustomError:
    """Return an error of a whole mapping that is about its key `key`."""
    return PydanticCustomError("placed", "{problem}", {"key": key, "problem": problem, "remedy": remedy})


def _mended(value: str, pattern: re.Pattern[str], limit: int | None) -> str:
    """Return the valid name with the letters of `value`, and `_` for other characters; nothing if there is none."""
    last = value.rstrip("/").rsplit("/", maxsplit=1)[-1] if "/" in value and not pattern.fullmatch("a/a") else value
    for text in (value.strip(" \"'`[]"), last.strip(), last.strip().lower()):
        name = text if pattern is _SOURCE else re.sub(r"[^A-Za-z0-9_.]+|(?<!\w)_+$", "_", text).strip("_")
        for tried in (name, name.replace(".", "_")):
            if tried and pattern.fullmatch(tried) and (limit is None or len(tried) <= limit):
                return tried
    return ""


def _of_sql(value: str) -> str:
    """Return the remedy for SQL in the place of a name."""
    return "SQL belongs to `query`" if re.match(r"\s*(?:select|with)\s", value, re.IGNORECASE) else ""


def _divided(value: str) -> str:
    """Return the remedy for a name that has the schema in it."""
    parts = value.split(".")
    if len(parts) == _SCHEMA_AND_TABLE and all(_TARGET.fullmatch(each) for each in parts):
        return f"write target_schema: {parts[0]} and target_table: {parts[1]}"
    return ""


_SCHEMA_AND_TABLE = 2


def _source_name(value: str) -> str:
    """Check a name of the source: letters of any script, with combining marks only behind a letter."""
    if _UNSEEN.search(value):
        raise _refuse(_source_kind, f"{_source_text}; no invisible characters")
    marks = "".join(_MARK if unicodedata.category(each) in ("Mn", "Mc") else each for each in value)
    _checker(_source_kind, _SOURCE, _source_text, SOURCE_LIMIT)(marks)
    return value


def _checker(kind: str, pattern: re.Pattern[str], allowed: str, limit: int | None = None) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value) or (limit is not None and len(value) > limit):
            remedy = _divided(value) if pattern is _TARGET else _of_sql(value) if pattern is _SOURCE else ""
            raise _refuse(kind, allowed, "" if remedy else _mended(value, pattern, limit), remedy)
        return value

    return check


def _not_of_dagster(value: str) -> str:
    if value.startswith("dagster/") and value not in _RUN_TAGS:
        raise _refuse("tag key", f"of those that begin with dagster/ only {' and '.join(_RUN_TAGS)}; any other prefix")
    return value


def _no_keyword(value: str) -> str:
    if keyword.iskeyword(value):
        raise _refuse("name", "no keyword of Python")
    return value


def _timezone(value: str) -> str:
    if value not in zone_names():
        raise _refuse("time zone", "an IANA name such as Asia/Seoul or UTC", near_zone(value))
    return value


_name_text = f"lowercase letters, digits and _, starting with a letter, at most {NAME_LIMIT}"
_target_text = f"letters, digits, _ and $, starting with a letter or _, at most {NAME_LIMIT}"
_source_kind = "name of a source table, schema or column"
_source_text = f"letters, digits, _ and inside also space $ # . / -, at most {SOURCE_LIMIT}"

TenantId = Annotated[
    str,
    AfterValidator(_checker("tenant id", _NAME, _name_text, NAME_LIMIT)),
    AfterValidator(_no_keyword),
    Field(json_schema_extra={"pattern": "^[a-z][a-z0-9_]*$", "maxLength": NAME_LIMIT}),
]
PipelineName = Annotated[
    str,
    AfterValidator(_checker("pipeline name", _NAME, _name_text, NAME_LIMIT)),
    AfterValidator(_no_keyword),
    Field(json_schema_extra={"pattern": "^[a-z][a-z0-9_]*$", "maxLength": NAME_LIMIT}),
]
JobName = Annotated[
    str,
    AfterValidator(_checker("job name", _NAME, _name_text, NAME_LIMIT)),
    Field(json_schema_extra={"pattern": "^[a-z][a-z0-9_]*$", "maxLength": NAME_LIMIT}),
]
TargetName = Annotated[
    str,
    AfterValidator(_checker("name of a target table or schema", _TARGET, _target_text, NAME_LIMIT)),
    Field(json_schema_extra={"pattern": "^[A-Za-z_][A-Za-z0-9_$]*$", "maxLength": NAME_LIMIT}),
]
SourceName = Annotated[
    str,
    AfterValidator(_source_name),
    Field(json_schema_extra={"maxLength": SOURCE_LIMIT}),
]
ColumnName = SourceName
Timezone = Annotated[str, AfterValidator(_timezone)]
TagKey = Annotated[
    str,
    AfterValidator(_checker("tag key", _TAG_KEY, "letters, digits, _ . - (63), with a prefix and / if need be")),
]
TagValue = Annotated[str, AfterValidator(_checker("tag value", _TAG_VALUE, "letters, digits, _ . -, at most 63"))]
Tags = dict[TagKey, TagValue]
RunTags = dict[Annotated[TagKey, AfterValidator(_not_of_dagster)], TagValue]
"""Tags of runs. Dagster sets most tags with its own prefix itself, and they change what a run does."""


def _owner(value: str) -> str:
    if not (_EMAIL.fullmatch(value) or _TEAM.fullmatch(value)):
        team = value if _TEAM.fullmatch(f"team:{value}") else ""
        suggestion = f"team:{team}" if team else ""
        raise _refuse("owner", "an email address, or team:name with letters, digits, _ and -", suggestion)
    return value


Owner = Annotated[str, AfterValidator(_owner)]


_OF_LOADS = ("etl_ledger", "etl_kept", "etl_staging")
_OF_DATABASES = ("information_schema", "pg_catalog")
RESERVED_SCHEMAS = (*_OF_LOADS, *_OF_DATABASES)


def keeper_of(schema: str, database: str) -> str:
    """Whom a schema of a database (`duckdb`, `postgres`, ...) belongs to, for a sentence; empty: it is free."""
    name = schema.casefold()
    if name in _OF_LOADS:
        return "the loads themselves"
    if name in _OF_DATABASES or (database == "postgres" and name.startswith("pg_")):
        return "DuckDB" if database == "duckdb" else "the database"
    return ""
