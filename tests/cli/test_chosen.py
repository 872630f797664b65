"""What `--job`, `--pipeline` and `--stage` of `etl run` mean, held against the keys that the names spell."""

import pytest
from dagster import AssetKey
from dagster._core.remote_representation.external import RemoteRepository
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._core.remote_representation.handle import RepositoryHandle

from etl.cli.chosen import Chosen, choose
from etl.config.config_loader import load_tenant
from etl.definitions import definitions_of
from etl.errors import EtlError
from etl.settings import load_settings
from tests.tiny_project import TinyProject

RULES = [{"column": "order_id", "type": "not_null", "stage": "extract"}]


@pytest.fixture
def repository(project: TinyProject) -> RemoteRepository:
    """Two pipelines, of which one keeps the rows that its extract rejects, and a job of the YAML."""
    quality = {"on_failure": "quarantine", "rules": RULES}
    items = {"source_table": "orders", "save_to_trino": False}
    project.write_tenant(
        {
            "assets": {"pipelines": {"orders": {"quality": quality}, "items": items}},
            "jobs": {"daily_etl": None, "loads": {"selection": "tag:data_tier=gold"}, "check": {"verify": True}},
        }
    )
    definitions = definitions_of(load_tenant("acme", load_settings()))
    snap = RepositorySnap.from_def(definitions.get_repository_def())
    return RemoteRepository(snap, RepositoryHandle.for_test(), auto_materialize_use_sensors=True)


def chosen(
    repository: RemoteRepository, job: str | None = None, *pipelines: str, stages: tuple[str, ...] = ()
) -> Chosen:
    settings = load_settings()
    return choose(repository, load_tenant("acme", settings), settings, job, pipelines, stages)


def names(found: Chosen) -> set[str]:
    return {"/".join(key.path[1:]) for key in found.keys}


REFINED = {"transfer/orders", "quarantine/orders"}
ORDERS = {"extract/orders", "quarantine/orders__extract", *REFINED, "load/orders"}


def test_everything_is_the_whole_job(repository: RemoteRepository) -> None:
    found = chosen(repository)
    assert (found.job, found.is_whole_job, names(found)) == ("acme_all", True, ORDERS | {"extract/items"})


def test_a_job_of_the_yaml_is_run_with_and_without_the_tenant_in_front(repository: RemoteRepository) -> None:
    for name in ("loads", "acme_loads"):
        found = chosen(repository, name)
        assert (found.job, found.is_whole_job, names(found)) == ("acme_loads", True, {"load/orders"})


@pytest.mark.parametrize(
    ("pipelines", "stages", "expected"),
    [
        (("orders",), (), ORDERS),
        (("orders", "items"), (), ORDERS | {"extract/items"}),
        ((), ("extract",), {"extract/orders", "quarantine/orders__extract", "extract/items"}),
        (("orders",), ("extract",), {"extract/orders", "quarantine/orders__extract"}),
        (("orders",), ("transfer", "load"), REFINED | {"load/orders"}),
    ],
)
def test_a_selection_is_of_the_job_of_everything(
    repository: RemoteRepository, pipelines: tuple[str, ...], stages: tuple[str, ...], expected: set[str]
) -> None:
    found = chosen(repository, None, *pipelines, stages=stages)
    assert (found.job, names(found), found.note) == ("acme_all", expected, "")


def test_the_jobs_of_release_0_2_are_run_as_they_were_and_say_what_to_write(repository: RemoteRepository) -> None:
    found = chosen(repository, "orders")
    assert (found.job, names(found)) == ("acme_all", ORDERS)
    assert "`etl run acme --pipeline orders`" in found.note
    found = chosen(repository, "acme_gold")
    assert names(found) == {"load/orders"}
    assert "jobs: {gold: {selection: 'tag:data_tier=gold'}}" in found.note
    assert names(chosen(repository, "bronze")) == {"extract/orders", "quarantine/orders__extract", "extract/items"}


@pytest.mark.parametrize(
    ("job", "pipelines", "stages", "said"),
    [
        ("verify", (), (), "write `etl verify acme`, or have such a job"),
        ("ordres", (), (), "did you mean `--pipeline orders`"),
        ("load", (), (), "did you mean `acme_loads`"),
        ("loads", ("orders",), (), "leave one of them out"),
        (None, ("ordres",), (), "did you mean `orders`"),
        (None, (), ("silver",), "one of extract, load, transfer"),
        (None, ("items",), ("load",), "leave one of the options out"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    repository: RemoteRepository, job: str | None, pipelines: tuple[str, ...], stages: tuple[str, ...], said: str
) -> None:
    with pytest.raises(EtlError) as refused:
        chosen(repository, job, *pipelines, stages=stages)
    assert said in f"{refused.value.problem} {refused.value.hint}"


def test_a_job_that_verifies_runs_the_checks_and_no_asset(project: TinyProject) -> None:
    project.write_tenant({"jobs": {"daily_etl": None, "check": {"verify": True, "selection": "key:acme/load/orders"}}})
    job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_check")
    assert job.asset_layer.executable_asset_keys == set()
    assert [(each.asset_key, each.name) for each in job.asset_layer.asset_graph.asset_check_keys] == [
        (AssetKey(["acme", "load", "orders"]), "reconciled")
    ]
    project.write_tenant(
        {"jobs": {"daily_etl": None, "check": {"verify": True, "selection": "key:acme/extract/orders"}}}
    )
    with pytest.raises(EtlError, match="verifies no pipeline"):
        definitions_of(load_tenant("acme", load_settings()))


@pytest.mark.parametrize(
    ("pipelines", "stages", "words"),
    [
        (("orders",), (), "the pipeline `orders`"),
        (("orders", "items"), (), "the selection of the pipelines `orders` and `items`"),
        (("orders", "orders"), (), "the pipeline `orders`"),
        (("orders", "items"), ("extract",), "the stage `extract` of the pipelines `orders` and `items`"),
        (("orders",), ("extract", "load"), "the selection of the stages `extract` and `load` of the pipeline `orders`"),
    ],
)
def test_the_words_for_a_choice_are_the_subject_of_a_sentence(
    repository: RemoteRepository, pipelines: tuple[str, ...], stages: tuple[str, ...], words: str
) -> None:
    assert chosen(repository, None, *pipelines, stages=stages).words == words
