"""All tenants in one code location: `dagster dev -m etl.all`.

Belongs here: merging the tenants. Not here: building one (`etl.definitions`).
"""

from etl.definitions import build_all_definitions

defs = build_all_definitions()
