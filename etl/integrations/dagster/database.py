"""A table in a database as something to check: read once, as exactly as an extract, into a file that goes away.

Belongs here: what a text means, a table or a query. Does not: reading databases (`etl.source.reading`).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.errors import QualityError, SourceError
from etl.source.reading import ExtractRequest, extract_to_parquet

_COMMENTS = re.compile(r"\A(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_QUERY = re.compile(r"\(*\s*(?:select|with)\b", re.IGNORECASE)


@contextmanager
def table_file(url: str, text: str, seconds: float) -> Iterator[Path]:
    """The rows of a table (`orders`, `sales.orders`) or of a query (`SELECT ...`) as Parquet, while it is needed."""
    request = request_for(text).model_copy(update={"statement_timeout_seconds": seconds})
    with TemporaryDirectory(prefix="etl-quality-") as folder:
        path = Path(folder) / "table.parquet"
        began = time.monotonic()
        try:
            extract_to_parquet(url, request, path, footer={})
        except SourceError as error:
            if time.monotonic() - began < seconds:
                raise
            hint = "give a longer `timeout`, or check a query of fewer rows"
            raise QualityError(f"no verdict within {seconds:g} seconds: {error.problem}", hint) from error
        yield path


def request_for(text: str) -> ExtractRequest:
    """What to read: a text that begins with SELECT or WITH is a query, anything else names a table."""
    plain = _COMMENTS.sub("", text).strip().rstrip(";").rstrip()
    if not plain:
        raise QualityError("there is no table to check", "name a table such as sales.orders, or write SELECT ...")
    if _QUERY.match(plain):
        return ExtractRequest(query=plain)
    schema, _, table = plain.rpartition(".")
    return ExtractRequest(table=table, schema_name=schema or None)
