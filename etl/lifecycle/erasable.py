"""The tenant that is exported or erased, and one place that holds something of it.

Belongs here: both models, and counting places. Not here: the places themselves (`places`, `lake_places`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from dagster import DagsterInstance

from etl.config.config_loader import list_tenants
from etl.config.tenant_config import TenantConfig
from etl.lake.store import VersionsUnknownError
from etl.lifecycle.certificate import NotErased
from etl.lifecycle.dagster_records import DagsterRecords
from etl.lifecycle.item import Amount, Item
from etl.lifecycle.tables import dbt_tables
from etl.pipeline.life import life_in, main_lake
from etl.settings import Settings
from etl.warehouse.contents import DbtTables


@dataclass(frozen=True)
class ErasablePlace:
    """One place: what it holds of the tenant, and how that is removed. Both can be called again after a crash."""

    key: str
    title: str
    items: Callable[[], Sequence[Item]]
    remove: Callable[[], None]

    def amount(self) -> Amount:
        """Return how much the place holds now."""
        return Amount.of(self.key, self.title, self.items())


@dataclass(frozen=True)
class Subject:
    """The tenant, and everything that the places need to look for it."""

    config: TenantConfig
    settings: Settings
    instance: DagsterInstance
    run_id: str
    with_warehouse: bool = True
    problem: str = ""
    """Why the tenant's file could not be read, if so: then only its id is known."""

    @property
    def id(self) -> str:
        """The tenant's id."""
        return self.config.id

    @cached_property
    def formerly(self) -> tuple[str, ...]:
        """The ids that the tenant had before it was renamed, if no other tenant has them now."""
        with main_lake(self.config, self.settings) as lake:
            life = life_in(lake, self.id)
        living = {*list_tenants(self.settings)}
        return tuple(each for each in life.formerly if each not in living) if life is not None else ()

    @cached_property
    def dbt(self) -> DbtTables:
        """Where its dbt builds. It is looked at once, because an erasure removes the files that tell it."""
        return dbt_tables(self.config, self.settings)

    @property
    def records(self) -> DagsterRecords:
        """What Dagster's storage holds of the tenant, also under its earlier ids."""
        return DagsterRecords(self.instance, self.id, list_tenants(self.settings), self.formerly)


def counted(places: Iterable[ErasablePlace]) -> tuple[list[Amount], list[NotErased]]:
    """Return how much the places hold now, and the places into which nobody could look."""
    amounts, unknown = [], []
    for each in places:
        try:
            amounts.append(each.amount())
        except VersionsUnknownError as error:
            unknown.append(NotErased(what=each.title, why=error.problem, do=error.hint))
    return amounts, unknown
