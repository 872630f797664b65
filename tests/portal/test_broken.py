"""Tenants that cannot be loaded have a page that says so, and what was last known. The others have theirs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance

from etl.errors import ConfigError
from etl.portal import gather
from etl.portal.build import build_pages
from etl.portal.page import Page
from etl.portal.render import html_of
from etl.secrets.scrub import learn
from etl.trial.own_error import OwnPythonError
from tests.portal.test_page import Parsed
from tests.portal.world import Portal, config_of, publish_rows
from tests.running.promised_world import make_settings

ERROR = ConfigError(
    "the configuration of tenant `alice` has 2 problems",
    "correct tenants/alice/config.yaml",
    problems=[
        "unknown key `qty` at tenants/alice/config.yaml:3:5, its table is the one of tenant bob; ${BOB_URL}",
        "the login postgresql://u:hunter2secret@db/x is no good\u202e <b>",
    ],
)


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    with DagsterInstance.ephemeral() as instance:
        settings = make_settings(tmp_path)
        yield Portal(settings, instance, {"alice": ERROR, "bob": config_of("bob")})


def page_of(portal: Portal, tenant: str) -> Page:
    return next(each for each in portal.gathering(tenants=["alice", "bob"]).pages() if each.tenant == tenant)


def test_a_broken_configuration_is_told_without_secrets_and_without_other_tenants(portal: Portal) -> None:
    learn("hunter2secret")
    page = page_of(portal, "alice")
    assert (page.level, page.answer) == ("bad", "The configuration cannot be read")
    assert page.problem is not None
    assert page.problem.lines == (
        "unknown key `qty` at tenants/alice/config.yaml:3:5, its table is the one of tenant another-tenant; ${ANOTHER-TENANT}",
        "the login postgresql://u:***@db/x is no good <b>",
    )
    text = html_of(page)
    assert "hunter2secret" not in text
    assert "bob" not in text.lower()
    parsed = Parsed(text)
    assert parsed.wrong == []
    assert "is no good <b>" in parsed.text
    assert "Nothing is known: neither the lake nor the record of runs has anything of this tenant." in parsed.text


def test_what_was_last_known_comes_from_the_lake_and_the_event_log(portal: Portal) -> None:
    publish_rows(portal.settings, "alice", "orders", "2026-01-07")
    publish_rows(portal.settings, "alice", "orders", "2026-01-08")
    made = AssetMaterialization(
        AssetKey(["alice", "load", "orders"]), partition="2026-01-08", metadata={"dagster/partition_row_count": 3}
    )
    portal.instance.report_runless_asset_event(made)
    portal.instance.report_runless_asset_event(AssetMaterialization(AssetKey(["bob", "load", "orders"])))
    page = page_of(portal, "alice")
    assert [(each.stage, each.partition, each.rows, each.source) for each in page.last_known] == [
        ("load", "2026-01-08", 3, "event log"), ("extract", "2026-01-08", 3, "lake"),
    ]  # fmt: skip
    assert "orders extract, lake Thu 8 Jan 2026 3 10 Jan 2026, 01:00 UTC" in Parsed(html_of(page)).text


def test_broken_code_is_told_above_what_is_known_of_the_data(portal: Portal) -> None:
    portal.configs["alice"] = config_of("alice")
    told = "tenants/alice/definitions.py:1: the tenant's own Python raised ImportError"
    portal.troubles["alice"] = OwnPythonError("ImportError: no module `x` of bob", told=told)
    page = next(iter(portal.gathering().pages()))
    assert (page.level, page.answer) == ("bad", "The tenant's own code cannot be loaded")
    assert page.problem is not None
    assert page.problem.lines == (told,)
    assert "bob" not in html_of(page)
    assert [each.name for each in page.pipelines] == ["orders"]
    assert "Nothing is there yet." in page.detail


def test_an_error_while_a_page_is_gathered_is_only_that_tenants(
    portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.configs["alice"] = config_of("alice")
    honest = gather.checks_of

    def checks_of(config: object, *more: object) -> object:
        if getattr(config, "id", "") == "alice":
            raise RuntimeError("of alice")
        return honest(config, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(gather, "checks_of", checks_of)
    gathering = portal.gathering()
    built = build_pages(gathering, tmp_path / "out")
    assert gathering.errors == {"alice": "RuntimeError: of alice"}
    assert "RuntimeError: of" not in (tmp_path / "out" / "alice" / "index.html").read_text()
    assert built.pages == {"alice": "unknown", "bob": "unknown"}
    assert built.unknown == ["alice"]
    assert built.answers["alice"][0] == "It is not known how the data stands"
    assert built.answers["bob"][0] == "Nothing is there yet"


def test_a_page_that_cannot_be_written_does_not_keep_the_others_from_being_written(
    portal: Portal, tmp_path: Path
) -> None:
    (tmp_path / "alice").write_text("a file")
    built = build_pages(portal.gathering(), tmp_path)
    assert list(built.problems) == ["alice"]
    assert list(built.pages) == ["bob"]
    assert built.left == []
