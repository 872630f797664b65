"""Attacks the law of ownership: a tenant's file names a secret, and never the store that it lies in.

`${vault:db#host}` used to be a variable called `vault` with the default `db#host`.
"""

from tests.attack.target import Target

STORES = ["vault", "openbao", "aws", "gcp", "azure", "sops", "file", "files", "env", "VAULT"]
BROKEN = ["secret:", "secret:../other#password", "secret:/etc/passwd", "secret:a//b", "secret:Db", "secret:db:-x"]


def test_a_store_is_never_a_variable_with_a_default(target: Target) -> None:
    options = {f"option_{store}": f"${{{store}:db#host}}" for store in STORES}
    target.project.write_tenant({"source_database": {"options": options}})
    said = target.checked("acme")
    assert said.code == 2, said.text
    assert len(said.out.splitlines()) >= len(STORES)
    for store in STORES:
        assert f"`${{{store}:` is reserved" in said.text
        assert f"(source_database.options.option_{store})" in said.text
    assert said.text.count("tenants/acme/config.yaml:") == len(STORES)
    assert "write ${secret:name#key}" in said.text


def test_a_secret_cannot_lead_out_of_the_tenants_own(target: Target) -> None:
    options = {f"option_{number}": f"${{{each}}}" for number, each in enumerate(BROKEN)}
    target.project.write_tenant({"source_database": {"options": options}})
    said = target.checked("acme")
    assert said.code == 2, said.text
    assert said.text.count("a secret is written ${secret:name} or ${secret:name#key}") == len(BROKEN)


def test_a_secret_and_a_default_with_one_colon_are_accepted(target: Target) -> None:
    target.project.write_tenant(
        {"source_database": {"host": "${ACME_DB_HOST:localhost}", "password": "${secret:db/main#password}"}}
    )
    said = target.etl("check", "acme")
    assert said.code == 0, said.text
