"""Column lineage in the metadata of a materialization, in Dagster's own form.

Belongs here: `dagster/column_lineage`, and what is not known of it. Not here: deriving a lineage (`etl.lineage`).

Columns whose origin is not known are not in `dagster/column_lineage`. They stand with their reasons in
`column_lineage_unknown`. `reads` has the tables that were read and are no assets.
"""

from collections.abc import Sequence

from dagster import AssetKey, MetadataValue, TableColumnDep, TableColumnLineage

from etl.lineage.columns import ColumnLineage, Table
from etl.running.metadata import Metadata

LINEAGE = "dagster/column_lineage"
UNKNOWN = "column_lineage_unknown"
READS = "reads"


def lineage_metadata(lineage: ColumnLineage, outside: Sequence[Table] = ()) -> Metadata:
    """Return the metadata of a lineage. `outside` are tables that were read and are no assets."""
    known = {
        name: [TableColumnDep(AssetKey(each.table), each.column) for each in origins]
        for name, origins in lineage.known.items()
    }
    metadata: Metadata = {}
    if known:
        metadata[LINEAGE] = MetadataValue.column_lineage(TableColumnLineage(deps_by_column=known))
    if lineage.unknown:
        metadata[UNKNOWN] = MetadataValue.json(dict(lineage.unknown))
    if outside:
        metadata[READS] = MetadataValue.json(["/".join(each) for each in outside])
    return metadata
