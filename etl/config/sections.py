"""The sections of a tenant's file: which part of it a path of keys leads into.

Belongs here: naming the section of a mapping. Not here: the keys of a section (the models).
"""

from etl.config.findings import KeyPath

_NAMED = {
    "source_database": "source_database",
    "warehouse": "warehouse",
    "storage": "storage",
    "dbt": "dbt",
    "sla": "sla",
    "sla.freshness": "freshness",
}
_OF_PIPELINE = {
    "": "pipeline",
    "partitions": "partitions",
    "trino_output": "trino_output",
    "dbt_transform": "dbt_transform",
    "quality": "quality",
    "sla": "sla",
    "sla.freshness": "freshness",
}


def section_of(path: KeyPath) -> str:
    """Return the section of a mapping at `path`; empty for a mapping that is no section."""
    if path[-1:] == ("environments",):
        return "environments"
    inside = path[2:] if path[:1] == ("environments",) else path
    match inside:
        case ():
            return "tenant"
        case ("assets", "pipelines", _, *rest):
            rest = rest[2:] if rest[:1] == ["environments"] else rest
            return "rule" if rest[:2] == ["quality", "rules"] else _OF_PIPELINE.get(".".join(map(str, rest)), "")
        case ("jobs", _, "schedule"):
            return "schedule"
        case ("jobs", _):
            return "job"
        case ("notifications", _):
            return "notification"
        case _:
            return _NAMED.get(".".join(map(str, inside)), "")
