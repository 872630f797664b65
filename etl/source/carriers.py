"""The Arrow schema of the rows that drivers pass through Python.

Belongs here: one schema. Not here: writing the file (`writer`), which needs no Arrow.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from etl.source.contract import PlannedColumn


def carrier_schema(columns: Sequence[PlannedColumn]) -> pa.Schema:
    """The columns in Arrow, as they travel."""
    kinds = [(f"c{index}", each.carrier_type or each.target) for index, each in enumerate(columns)]
    kinds += [(f"f{index}", "BOOLEAN") for index, each in enumerate(columns) if each.flag]
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in kinds)
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(f"SELECT {nulls}").to_arrow_table().schema
