"""Attacks the law of ownership: a tenant's file names only files, projects, owners and places that are its own.

Every refusal names the file, the line, the thing and the remedy, before anything runs.
"""

from typing import Any

import pytest

from tests.attack.target import Target

REMEDY = "a file below tenants/acme/, or in a folder that the platform lists: [tool.etl] file_sources"


@pytest.fixture
def two(target: Target) -> Target:
    """A second tenant, with a database file and a dbt project of its own."""
    target.project.write_tenant({}, tenant="beta")
    (target.project.data / "demo" / "beta.sqlite").touch()
    for name in ("beta", "common"):
        folder = target.project.root / "dbt_projects" / name
        folder.mkdir(parents=True)
        (folder / "dbt_project.yml").write_text(f"name: {name}\nversion: '1.0.0'\nprofile: etl\n")
    return target


def platform(target: Target, text: str) -> None:
    (target.project.root / "pyproject.toml").write_text(f"[tool.etl]\n{text}\n")


@pytest.mark.parametrize("kind", ["other", "dots", "link", "absolute", "key", "hidden"])
def test_a_file_of_somebody_else_is_no_source(two: Target, kind: str) -> None:
    own = two.project.root / "tenants" / "acme"
    (own / "link.db").symlink_to(two.project.data / "demo" / "beta.sqlite")
    server = "postgresql://reader@db.example/shop?sslkey="
    urls = {
        "other": f"sqlite:///{two.project.data}/demo/beta.sqlite",
        "dots": "sqlite:///tenants/acme/../beta/shop.db",
        "link": "sqlite:///tenants/acme/link.db",
        "absolute": "sqlite:////etc/passwd",
        "key": f"{server}tenants/beta/client.key",
        "hidden": "sqlite:///tenants/acme/%2e%2e/beta/shop.db",
    }
    two.project.write_tenant(
        {"source_database": {"url": urls[kind]} | dict.fromkeys(("host", "database", "username", "password"))}
    )
    said = two.checked("acme")
    assert said.code == 2, said.text
    assert "does not belong to tenant acme at tenants/acme/config.yaml:" in said.text
    assert "(source_database.url)" in said.text
    assert REMEDY in " ".join(said.text.split()), "the terminal may wrap a long path"


def test_files_below_the_own_folder_and_lent_ones_are_accepted(two: Target) -> None:
    nothing = dict.fromkeys(("host", "database", "username", "password"))
    lent = two.project.root / "lent"
    lent.mkdir()
    platform(two, 'file_sources = ["lent"]')
    for url in ("sqlite:///tenants/acme/shop.db", f"sqlite:///{lent}/shop.db", f"sqlite:///{two.project.source}"):
        two.project.write_tenant({"source_database": {"url": url} | nothing})
        assert two.etl("check", "acme").code == 0, url


def test_a_dbt_project_of_somebody_else_is_refused_unless_it_is_lent(two: Target) -> None:
    two.project.write_tenant({"dbt": {"enabled": True, "project": "beta"}})
    said = two.checked("acme")
    assert said.code == 2, said.text
    assert "the dbt project `beta` does not belong to tenant acme at tenants/acme/config.yaml:" in said.text
    assert "[tool.etl] shared_dbt_projects in pyproject.toml" in said.text
    platform(two, 'shared_dbt_projects = ["common"]')
    said = two.checked("acme")
    assert said.code == 2, "another project is lent"
    assert "or a project that the platform shares: common" in said.text
    platform(two, 'shared_dbt_projects = ["beta"]')
    assert "does not belong" not in two.etl("check", "acme").text


def test_an_owner_of_somebody_else_is_refused_where_the_platform_has_a_map(two: Target) -> None:
    orders: dict[str, Any] = {"owners": ["team:shop", "team:beta"]}
    log = {"type": "log", "owners": ["team:all", "boss@beta.example"]}
    two.project.write_tenant({"owners": ["team:beta"], "assets": {"pipelines": {"orders": orders}}})
    assert two.etl("check", "acme").code == 0, "without a map an owner is a label"
    two.project.write_tenant(
        {"owners": ["team:beta"], "assets": {"pipelines": {"orders": orders}}, "notifications": [log]}
    )
    platform(two, '[tool.etl.owners]\n"*" = ["team:all"]\nacme = ["team:shop"]\nbeta = ["team:beta"]')
    said = two.checked("acme")
    assert said.code == 2, said.text
    for place in ("owners[0]", "assets.pipelines.orders.owners[1]", "notifications[0].owners[1]"):
        assert f"({place})" in said.text, said.text
    assert said.text.count("does not belong to tenant acme at tenants/acme/config.yaml:") == 3
    assert "allowed: team:shop, team:all ([tool.etl.owners] in pyproject.toml)" in said.text


@pytest.mark.parametrize("path", ["../beta", "raw/../../beta", "raw//acme", "./raw", "raw/%2e%2e/beta", "raw\\beta"])
def test_a_base_path_that_leads_elsewhere_is_refused_with_its_line(two: Target, path: str) -> None:
    two.project.write_tenant({"storage": {"bucket": "lake", "base_path": path}})
    said = two.checked("acme")
    assert said.code == 2, said.text
    assert "at tenants/acme/config.yaml:" in said.text
    assert "(storage.base_path)" in said.text
    assert "a path below the bucket, such as raw/acme" in said.text
    assert "Traceback" not in said.text


BUCKET = "${S3_BUCKET_NAME:-lake}"


@pytest.mark.parametrize(
    ("acme", "beta"),
    [
        ({}, {"base_path": "acme"}),
        ({}, {"base_path": "acme/extract"}),
        ({"base_path": "raw"}, {"base_path": "/raw/acme/"}),
        ({"base_path": "raw"}, {"base_path": "raw/acme/x", "bucket": "${S3_BUCKET_NAME}"}),
        ({"base_path": "raw", "endpoint_url": "http://s3.example"}, {"base_path": "raw/acme"}),
    ],
)
def test_no_tenant_writes_into_the_place_of_another(two: Target, acme: dict[str, str], beta: dict[str, str]) -> None:
    two.project.write_tenant({"storage": {"bucket": BUCKET, **acme}})
    two.project.write_tenant({"storage": {"bucket": BUCKET, **beta}}, tenant="beta")
    said = two.etl("check", "acme")
    assert said.code == 2, said.text
    text = " ".join(said.text.split())
    for name in ("acme", "beta"):
        assert f"tenants/{name}/config.yaml:" in text, "both files are named"
    assert "the objects of tenant beta would lie in" in text
    assert "of the bucket `${S3_BUCKET_NAME}`, which is inside" in text
    assert "give beta a `base_path` outside of it" in text


def test_all_tenants_together_are_refused_with_both_files_and_apart_are_accepted(two: Target) -> None:
    two.project.write_tenant({"storage": {"bucket": "lake", "base_path": "raw"}})
    two.project.write_tenant({"storage": {"bucket": "lake", "base_path": "raw/acme"}}, tenant="beta")
    listed = two.dagster("definitions", "validate", "-m", "etl.all")
    assert listed.code != 0
    assert "which is inside `raw/acme`, the place of tenant acme" in " ".join(listed.text.split())
    two.project.write_tenant({"storage": {"bucket": "lake2", "base_path": "raw/acme"}}, tenant="beta")
    assert two.etl("check").code == 0, "another bucket"


@pytest.mark.parametrize(
    ("acme", "beta"),
    [
        ({}, {}),
        ({"base_path": "raw"}, {"base_path": "raw"}),
        ({"base_path": "raw"}, {"base_path": "raw/beta"}),
        ({"base_path": "raw"}, {"base_path": "raw/acme_b"}),
    ],
)
def test_a_base_path_may_be_shared_because_every_key_holds_the_tenants_id(
    two: Target, acme: dict[str, str], beta: dict[str, str]
) -> None:
    two.project.write_tenant({"storage": {"bucket": BUCKET, **acme}})
    two.project.write_tenant({"storage": {"bucket": BUCKET, **beta}}, tenant="beta")
    said = two.etl("check")
    assert said.code == 0, said.text
