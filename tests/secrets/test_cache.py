"""How long and how much a process keeps of what it has read from a store."""

from dataclasses import dataclass, field

import pytest

from etl.errors import SecretError
from etl.secrets import cache
from etl.secrets.contract import SecretContent, Values


@dataclass(frozen=True)
class Counted:
    """A store that counts its reads; two of different logins are different stores."""

    login: str = ""
    store: str = "counted"
    is_remote: bool = True
    asked: list[str] = field(default_factory=list, compare=False)
    values: dict[str, str] = field(default_factory=lambda: {"value": "v"}, compare=False)

    def place(self, tenant: str, name: str, key: str) -> str:  # noqa: ARG002  the protocol
        return f"{tenant}/{name}"

    def read(self, tenant: str, name: str, key: str) -> SecretContent:  # noqa: ARG002  the protocol
        self.asked.append(f"{tenant}/{name}")
        return SecretContent(Values(self.values), str(len(self.asked)))


def test_a_value_is_kept_for_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(cache.time, "monotonic", lambda: now[0])
    store = Counted()
    for passed, reads in ((0, 1), (299, 1), (2, 2), (1, 2)):
        now[0] += passed
        assert cache.read(store, "acme", "db", "value", 300) == "v"
        assert len(store.asked) == reads
    assert cache.versions_read("acme")["db"] == ("counted", "2")
    cache.read(store, "acme", "db", "value", 0)
    assert len(store.asked) == 3, "nothing is kept"


def test_tenants_and_logins_do_not_share_what_is_kept() -> None:
    store, other = Counted(), Counted("another login")
    for tenant in ("acme", "beta"):
        cache.read(store, tenant, "db", "value", 300)
    cache.read(other, "acme", "db", "value", 300)
    assert (store.asked, other.asked) == (["acme/db", "beta/db"], ["acme/db"])


def test_a_process_keeps_so_many_secrets_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST", 3)
    store = Counted()
    for number in range(5):
        cache.read(store, "acme", f"s{number}", "value", 300)
    assert [name for _, _, name in cache._kept] == ["s2", "s3", "s4"]


def test_a_key_that_was_added_is_found_and_a_missing_key_is_an_error() -> None:
    store = Counted()
    cache.read(store, "acme", "db", "value", 300)
    with pytest.raises(SecretError, match="the secret has no key `port`"):
        cache.read(store, "acme", "db", "port", 300)
    store.values["port"] = "5432"
    assert cache.read(store, "acme", "db", "port", 300) == "5432"


def test_content_is_never_shown() -> None:
    assert "v4lue" not in repr(SecretContent(Values({"password": "v4lue"}), "1"))
