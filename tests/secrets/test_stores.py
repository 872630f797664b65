from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from etl.errors import ConfigError
from etl.platform import SecretsConfig
from etl.secrets.environment import EnvSecrets, variable_of
from etl.secrets.files import FileSecrets
from etl.secrets.namespace import Namespace
from etl.secrets.ownership import PROCESS_VARIABLES, environment_of, owner_of
from etl.secrets.template import interpolate, split_secret

NAMES = st.from_regex(r"[a-z0-9]{1,3}([_/-][a-z0-9]{1,3}){0,3}", fullmatch=True)
KEYS = st.from_regex(r"[a-z0-9]{1,3}(_[a-z0-9]{1,3}){0,2}", fullmatch=True) | st.just("value")


@given(st.tuples(NAMES, KEYS), st.tuples(NAMES, KEYS))
def test_no_two_secrets_have_the_same_variable(one: tuple[str, str], other: tuple[str, str]) -> None:
    same = variable_of("acme", *one) == variable_of("acme", *other)
    assert same == (one == other)


def test_a_secret_of_the_environment() -> None:
    environ = {"ACME_SECRET_DB__PASSWORD": "p", "ACME_SECRET_TOKEN": "t", "BETA_SECRET_DB__PASSWORD": "b"}
    values = Namespace("acme", environ, ("acme", "beta"))
    assert interpolate("${secret:db#password}/${secret:token}", values) == "p/t"
    with pytest.raises(ConfigError, match=r"env .ACME_SECRET_OTHER.: the variable is not set"):
        interpolate("${secret:other}", values)
    with pytest.raises(ConfigError, match="the variable `BETA_X` belongs to tenant beta"):
        interpolate("${BETA_X}", values)


def test_a_secret_whose_variable_another_tenant_owns_is_refused() -> None:
    store = EnvSecrets({"A_SECRET_X": "v"}, ("a", "a_secret"))
    with pytest.raises(ConfigError, match="belongs to tenant a_secret"):
        store.read("a", "x", "value")


@pytest.mark.parametrize("pattern", ["{tmp}", "{tmp}/{{tenant}}"])
def test_a_secret_of_a_file(tmp_path: Path, pattern: str) -> None:
    folder = tmp_path / "acme"
    (folder / "db").mkdir(parents=True)
    (folder / "db" / "password").write_text("p\n")
    (folder / "token").write_text("t")
    (tmp_path / "beta").mkdir()
    (tmp_path / "beta" / "key").write_text("b")
    (folder / "stolen").symlink_to(tmp_path / "beta" / "key")
    store = FileSecrets(pattern.format(tmp=tmp_path))
    assert store.read("acme", "db", "password").values["password"] == "p"
    assert store.read("acme", "token", "value").values["value"] == "t"
    for name, why in (("stolen", "leads out"), ("none", "No such file")):
        with pytest.raises(ConfigError, match=why):
            store.read("acme", name, "value")


def test_the_platform_chooses_the_store(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "db").write_text("v")
    values = Namespace("acme", {}, secrets=SecretsConfig(store="files", path=str(tmp_path)))
    assert interpolate("${secret:db}", values) == "v"
    assert split_secret("secret:a/b#K") == ("a/b", "K")


IDS = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,4}", fullmatch=True), min_size=2, max_size=5, unique=True)


@given(IDS, st.text("ABCDEFG_", min_size=1, max_size=6))
def test_a_process_never_gets_a_variable_of_another_tenant(tenants: list[str], suffix: str) -> None:
    environ = {f"{each.upper()}_{suffix}": each for each in tenants} | {"PATH": "p", "GITHUB_TOKEN": "g"}
    for tenant in tenants:
        kept = environment_of(tenant, environ, tenants, PROCESS_VARIABLES)
        assert kept["PATH"] == "p"
        assert "GITHUB_TOKEN" not in kept
        assert {owner_of(name, tenants) for name in kept} <= {tenant, None}
