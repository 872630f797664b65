"""Chooses the names of pipelines from the names of tables.

Belongs here: from `Order Details` to `order_details`, and different names for tables whose names are alike. Not here:
which names a configuration may contain (`etl.config.identifiers`).
"""

import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from pydantic import TypeAdapter, ValidationError

from etl.config.identifiers import NAME_LIMIT, ColumnName
from etl.source.contract import CatalogueTable

Place = tuple[str | None, str]
"""Schema and name of a table."""
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d"})
"""Letters that do not come apart into a letter of English and an accent."""
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NAME: TypeAdapter[str] = TypeAdapter(ColumnName)
_ROOM = NAME_LIMIT - 4  # a number may follow


def place_of(table: CatalogueTable) -> Place:
    """Return the schema and the name, which together identify a table."""
    return table.schema_name, table.name


def shown(table: CatalogueTable) -> str:
    """Return the name for people, with the schema."""
    return f"{table.schema_name}.{table.name}" if table.schema_name else table.name


def pipeline_names(tables: Iterable[CatalogueTable], taken: Collection[str] = ()) -> Mapping[Place, str]:
    """Return a name for each table that no other table and no pipeline of `taken` has.

    Tables of the same name in several schemas get the schema in front; where names are still alike, a number follows.
    """
    listed = list(tables)
    often = Counter(plain_name(each.name) for each in listed)
    used, found = set(taken), dict[Place, str]()
    for table in listed:
        name = plain_name(table.name)
        if table.schema_name and (often[name] > 1 or name in used):
            name = plain_name(f"{table.schema_name}_{table.name}")
        free, number = name, 2
        while free in used:
            free, number = f"{name}_{number}", number + 1
        used.add(free)
        found[place_of(table)] = free
    return found


def plain_name(text: str) -> str:
    """Return the text as lowercase letters, digits and underscores; `table` if it has none of them."""
    spaced = _WORDS.sub("_", text.translate(_LETTERS))
    ascii_only = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", ascii_only.lower()).strip("_")
    if not name or not name[0].isalpha():
        name = f"table_{name}".rstrip("_")
    name = name[:_ROOM].rstrip("_")
    return f"{name}_table" if keyword.iskeyword(name) else name


def is_allowed(name: str) -> bool:
    """Whether a configuration may contain the name of a table, schema or column."""
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return False
    return True
