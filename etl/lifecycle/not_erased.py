"""What an erasure cannot remove from here, why, and what a person does about it.

Belongs here: the list for a certificate. Not here: what is removed (`places`), the certificate (`certificate`).
"""

from collections.abc import Iterator

from etl.config.secrets import named_secrets
from etl.dbt.index import last_relations
from etl.dbt.ownership import dbt_place
from etl.lifecycle.certificate import NotErased
from etl.lifecycle.erasable import Subject
from etl.lifecycle.places import is_own_dbt_project
from etl.resources.warehouse import warehouse_of_tenant
from etl.secrets.contract import shown
from etl.warehouse.contents import contents, movable


def not_erased(subject: Subject) -> tuple[NotErased, ...]:
    """Return everything outside of this product's reach that holds or may hold something of the tenant."""
    return (*_secrets(subject), *_warehouse(subject), *_runs(subject), *_copies(subject))


def not_examined(subject: Subject) -> tuple[NotErased, ...]:
    """Return what may hold something of the tenant, and of which nothing here tells where it is."""
    return (*_unknown(subject), *_dbt(subject))


def _unknown(subject: Subject) -> Iterator[NotErased]:
    if not subject.problem:
        return
    why = f"the tenant's file cannot be read: {subject.problem.splitlines()[0]}"
    do = "give an earlier text of the file with --config FILE; or look there by hand"
    for what in (
        "the tenant's warehouse, if it is not the DuckDB file with its name, and what dbt has built there",
        "the tenant's bucket, if it has one",
        "the secrets that its file names, and the receivers of its messages",
    ):
        yield NotErased(what=what, why=why, do=do)


def _dbt(subject: Subject) -> Iterator[NotErased]:
    """Tell what dbt has built where this erasure does not look."""
    config, settings = subject.config, subject.settings
    place = dbt_place(config, settings) if subject.with_warehouse else None
    if place is None:
        return
    if place.type != config.warehouse.type:
        yield NotErased(
            what=f"the schema {place.schema} and others of dbt's target `{config.dbt.target}` ({place.type})",
            why=f"it is not the tenant's warehouse ({config.warehouse.type})",
            do="drop there the tables that dbt_projects builds for the tenant",
        )
    elif not last_relations(config, settings):
        yield NotErased(
            what=f"schemas of dbt other than {place.schema}",
            why="the dbt project was not prepared on this machine, so nothing tells where it builds",
            do=f"before the erasure: `etl dbt prepare {subject.id}`; after it: drop the tables there by hand",
        )


def _secrets(subject: Subject) -> Iterator[NotErased]:
    names = sorted({shown(each.name, each.key) for each in named_secrets(subject.config)})
    store = subject.config.origin.platform.secrets
    if names:
        yield NotErased(
            what=f"secrets of the tenant in the store `{store.store}`: {', '.join(names)}",
            why="the product may only read them",
            do=f"delete them with the store's own tool, and its older versions too ({store.path or 'default path'})",
        )
    yield NotErased(
        what=f"variables {subject.id.upper()}_... in the environment of processes, units and containers",
        why="they are set outside of the project's .env",
        do="take them out where they are set, and change the passwords at the databases that accept them",
    )


def _warehouse(subject: Subject) -> Iterator[NotErased]:
    config = subject.config
    if not subject.with_warehouse:
        yield NotErased(
            what="the tenant's tables in its warehouse, and its entries of the ledger",
            why="the command was given --without-warehouse",
            do="drop the tables that the ledger names for the tenant there, then its entries",
        )
        return
    if config.warehouse.type == "duckdb":
        return
    warehouse = movable(warehouse_of_tenant(config).open(config), subject.id, "remove")
    strangers = contents(warehouse, subject.id, subject.dbt).strangers
    if strangers:
        yield NotErased(
            what=f"tables in schemas of the tenant that no load of it has made: {', '.join(strangers)}",
            why="nothing tells whose they are",
            do="look at them, and drop those that are the tenant's",
        )
    yield NotErased(
        what="the write-ahead log, replicas and backups of the database server",
        why="they belong to the server and to all of its databases",
        do="wait until they have expired, by the server's own rules",
    )


def _runs(subject: Subject) -> Iterator[NotErased]:
    server, files = subject.records.server(), subject.records.files_beside_server()
    if server:
        yield NotErased(
            what=f"the space of deleted rows in Dagster's database ({server}), its write-ahead log and its backups",
            why="the server writes over them by and by; to write its tables again would stop all runs meanwhile",
            do="run `VACUUM (FULL)` in that database in a quiet hour",
        )
    if files:
        yield NotErased(
            what=f"an earlier history of Dagster in files: {', '.join(map(str, files))}",
            why=f"the history is in {server} now, and nothing reads these files any more",
            do="delete them",
        )
    shared = subject.records.runs().shared
    if shared:
        ids = ", ".join(each.run_id for each in shared[:5])
        yield NotErased(
            what=f"{len(shared)} runs of Dagster that executed assets of other tenants too: {ids}",
            why="their events belong to the other tenants as well",
            do="delete each of them with `dagster run delete RUN_ID` if the other tenants do not need its history",
        )


def _copies(subject: Subject) -> Iterator[NotErased]:
    targets = {each.type for each in subject.config.notifications}
    if targets:
        yield NotErased(
            what=f"messages that were sent: {', '.join(sorted(targets))}",
            why="they are with their receivers",
            do="delete them there; they hold names of pipelines and numbers",
        )
    project = subject.settings.dbt_dir / subject.id
    if project.is_dir() and not is_own_dbt_project(subject.config, subject.settings):
        yield NotErased(
            what=f"the dbt project {project.name}, which has the tenant's name",
            why="the platform shares it, or the file of another tenant names it",
            do="delete it if no other tenant uses it",
        )
    yield NotErased(
        what="the source database",
        why="it belongs to the tenant",
        do="nothing, or what was agreed with the tenant",
    )
    yield NotErased(
        what="backups and snapshots of disks, exports of the tenant, and the history of version control",
        why="the product does not know them",
        do="let backups expire, delete exports, and rewrite the history of version control if it holds personal data",
    )
    yield NotErased(
        what="copies that others made downstream: dashboards, spreadsheets, other databases, metrics, traces",
        why="they left the product",
        do="tell those who read the tenant's tables",
    )
    yield NotErased(
        what="names of the tenant in pyproject.toml ([tool.etl] owners) and in the platform's files below tenants/",
        why="they are the platform's own files",
        do=f"search them for `{subject.id}` and take it out",
    )
