"""Which pipelines are stopped at which points: each point in every module that has it, in a setting that gets there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CENTS = {"column": "cents", "type": "in_range", "max": 1500}
AMOUNT = {"column": "amount", "type": "in_range", "max": 15, "stage": "extract"}
WHOLE = {"date_column": None, "partitions": None, "trino_output": {"mode": "replace"}}
UPSERT = {"trino_output": {"mode": "upsert", "order_column": "amount"}}

Points = Mapping[str, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Scenario:
    """A pipeline in a setting, and its points: stage -> module -> names."""

    name: str
    points: Points
    changes: Mapping[str, Any] = field(default_factory=dict)
    source: Literal["sqlite", "postgres", "mariadb"] = "sqlite"
    without_extension: bool = False
    warehouse: Literal["duckdb", "postgres"] = "duckdb"
    s3: bool = False
    partitioned: bool = True
    loaded_before: bool = True

    @property
    def servers(self) -> set[str]:
        wanted = {self.source, self.warehouse, "s3" if self.s3 else ""}
        return wanted & {"postgres", "mariadb", "s3"}

    @property
    def cases(self) -> list[tuple[str, str, str]]:
        """Stage, module and point."""
        return [
            (stage, module, point)
            for stage, modules in self.points.items()
            for module, names in modules.items()
            for point in names
        ]


def _audited(stage: str) -> dict[str, tuple[str, ...]]:
    return {"pipeline/publish": (f"{stage}.staged", f"{stage}.audited", f"{stage}.published")}


LAKE = {"lake/lake": ("lake.staged", "lake.verified", "lake.stamped", "lake.published")}
LOCAL = {**LAKE, "lake/local_store": ("lake.before_rename", "lake.renamed")}
UPSERTED = ("warehouse.ranked", "warehouse.kept", "warehouse.deleted")
STEPS = ("warehouse.begin", "warehouse.shaped", "warehouse.inserted", "warehouse.ledger")
DUCKDB = ("warehouse.locked", "warehouse.opened", "warehouse.before_commit", "warehouse.committed", "warehouse.closed")
UPLOAD = ("lake.upload.begin", "lake.upload.part", "lake.uploaded")


def _split(stage: str) -> dict[str, tuple[str, ...]]:
    """The rejected rows are published first, the good ones second."""
    return {
        "pipeline/publish": (f"{stage}.split", f"{stage}.quarantined", f"{stage}.published"),
        "lake/lake": ("lake.stamped", "lake.stamped@2", "lake.published@2"),
        "lake/local_store": ("lake.renamed", "lake.before_rename@2", "lake.renamed@2"),
    }


SCENARIOS = {
    each.name: each
    for each in (
        Scenario(
            "plain",
            {
                "extract": {
                    "pipeline/extract": ("extract.start", "extract.read"),
                    "source/sqlite_duckdb": ("extract.connected",),
                    "source/writer": ("extract.copy", "extract.written"),
                    "source/reading": ("extract.verified",),
                    **_audited("extract"),
                    **LOCAL,
                },
                "transfer": {
                    "pipeline/transfer": ("transfer.start", "transfer.written"),
                    **_audited("transfer"),
                    **LOCAL,
                },
                "load": {
                    "pipeline/load": ("load.start", "load.fetched", "load.done"),
                    "warehouse/duckdb": DUCKDB,
                    "warehouse/transaction": (*STEPS, "warehouse.deleted"),
                },
            },
        ),
        Scenario(
            "cursor",
            {"extract": {"source/sqlalchemy_cursor": ("extract.connected", "extract.batch")}},
            without_extension=True,
        ),
        Scenario(
            "quarantine", {"transfer": _split("transfer")}, {"quality": {"on_failure": "quarantine", "rules": [CENTS]}}
        ),
        Scenario(
            "quarantine_of_extract",
            {"extract": _split("extract")},
            {"has_transfer": False, "quality": {"on_failure": "quarantine", "rules": [AMOUNT]}},
        ),
        Scenario(
            "upsert",
            {"load": {"warehouse/transaction": STEPS, "warehouse/upsert": UPSERTED}},
            UPSERT,
        ),
        Scenario(
            "whole",
            {
                "extract": {"lake/local_store": ("lake.before_rename", "lake.renamed")},
                "load": {"warehouse/transaction": ("warehouse.deleted", "warehouse.inserted", "warehouse.ledger")},
            },
            WHOLE,
            partitioned=False,
        ),
        Scenario(
            "whole_upsert",
            {"load": {"warehouse/transaction": ("warehouse.ranked", "warehouse.deleted")}},
            {**WHOLE, **UPSERT},
            partitioned=False,
        ),
        Scenario(
            "append",
            {
                "load": {
                    "warehouse/transaction": (*STEPS, "warehouse.deleted"),
                    "warehouse/duckdb": ("warehouse.committed",),
                }
            },
            {"trino_output": {"mode": "append"}},
            loaded_before=False,
        ),
        Scenario(
            "s3",
            {
                "extract": {**LAKE, "lake/s3_store": UPLOAD},
                "transfer": {"lake/s3_store": ("lake.upload.part", "lake.uploaded", "lake.download.part")},
                "load": {"lake/s3_store": ("lake.download.part",)},
            },
            {"save_to_s3": True},
            s3=True,
        ),
        Scenario(
            "postgres",
            {
                "extract": {"source/postgres_duckdb": ("extract.connected",)},
                "load": {
                    "warehouse/postgres": (
                        "warehouse.locked",
                        "warehouse.staged",
                        "warehouse.before_commit",
                        "warehouse.committed",
                    ),
                    "warehouse/transaction": ("warehouse.deleted", "warehouse.ledger"),
                },
            },
            source="postgres",
            warehouse="postgres",
        ),
        Scenario(
            "postgres_upsert",
            {"load": {"warehouse/upsert": UPSERTED}},
            UPSERT,
            warehouse="postgres",
        ),
        Scenario(
            "postgres_cursor",
            {"extract": {"source/sqlalchemy_cursor": ("extract.connected", "extract.batch")}},
            source="postgres",
            without_extension=True,
        ),
        Scenario(
            "mariadb",
            {"extract": {"source/mysql": ("extract.connected", "extract.batch")}},
            source="mariadb",
        ),
    )
}
CASES = [
    (scenario.name, stage, module, point) for scenario in SCENARIOS.values() for stage, module, point in scenario.cases
]
# From these on, readers see the new rows of the stage; before them, the old ones.
AFTER = {
    "lake.renamed",
    "lake.uploaded",
    "lake.published",
    "extract.quarantined",
    "extract.published",
    "transfer.quarantined",
    "transfer.published",
    "warehouse.committed",
    "warehouse.closed",
    "load.done",
}


def is_after(point: str) -> bool:
    return point.partition("@")[0] in AFTER
