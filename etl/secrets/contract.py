"""What a store of secrets is: the protocol, what it returns, and the words of its errors.

Belongs here: `SecretResolver`, `SecretContent`, and what every store shares. Not here: the stores (one module each),
the choice of a store (`stores`), keeping values for some minutes (`cache`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from etl.errors import ConfigError, SecretError, SecretStoreError
from etl.secrets.ownership import prefix_of

DEFAULT_KEY = "value"
TIMEOUT = 10.0
"""Seconds for each step of talking to a server. A request is sent once."""


@dataclass(frozen=True)
class SecretContent:
    """The values of one secret by their keys, all of one version. `repr` shows the version only."""

    values: "Values"
    version: str = ""
    """The store's own name of the version; empty if the store has no versions."""


class Values(dict[str, str]):
    """Values by key. They are never shown: `repr` has the number of keys only."""

    def __repr__(self) -> str:
        """The number of keys."""
        return f"Values({len(self)} keys)"


class SecretResolver(Protocol):
    """A store of secrets. It separates the secrets of the tenants by the tenant's id; it writes nothing."""

    @property
    def store(self) -> str:
        """The name of the store, as in ETL_SECRETS."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether reading costs a request or a process, so that values are kept for some minutes."""
        ...

    def place(self, tenant: str, name: str, key: str) -> str:
        """Return where the secret is, for people. Nothing is read."""
        ...

    def read(self, tenant: str, name: str, key: str) -> SecretContent:
        """Return at least the value of `key`. Raises SecretError, which names the place and never a value."""
        ...


def shown(name: str, key: str) -> str:
    """Return the secret as a tenant's file writes it."""
    return name if key == DEFAULT_KEY else f"{name}#{key}"


def refused(store: SecretResolver, tenant: str, name: str, key: str, why: str, hint: str) -> SecretError:
    """Return the error of a secret that the store does not give."""
    return SecretError(_sentence(store, tenant, name, key, why), hint)


def unanswered(store: SecretResolver, tenant: str, name: str, key: str, why: str, hint: str) -> SecretStoreError:
    """Return the error of a store that cannot be asked."""
    return SecretStoreError(_sentence(store, tenant, name, key, why), hint)


def _sentence(store: SecretResolver, tenant: str, name: str, key: str, why: str) -> str:
    place = store.place(tenant, name, key)
    return f"tenant {tenant}: the secret `{shown(name, key)}` cannot be read from {store.store} ({place}): {why}"


def value_in(store: SecretResolver, content: SecretContent, tenant: str, name: str, key: str) -> str:
    """Return the value of a key. Raises SecretError if the secret lacks the key, or if its value is empty."""
    value = content.values.get(key)
    if value:
        return value
    why = f"the secret has no key `{key}`" if value is None else f"the value of the key `{key}` is empty"
    raise refused(store, tenant, name, key, why, f"write the key `{key}` into the secret, or correct the tenant's file")


def values_of_text(text: str) -> Values:
    """Return the values of a secret that a store keeps as one text: the text, and the members of a JSON object."""
    values = Values({DEFAULT_KEY: text})
    try:
        members = json.loads(text)
    except ValueError:
        return values
    return Values({**values, **values_of(members)}) if isinstance(members, dict) else values


def values_of(members: Mapping[str, Any]) -> Values:
    """Return members as texts. A number or a list is written as JSON."""
    return Values({
        str(key): each if isinstance(each, str) else json.dumps(each)
        for key, each in members.items()
        if each is not None
    })  # fmt: skip


def setting(environ: Mapping[str, str], tenant: str, *names: str) -> str:
    """Return the first of these variables that is set; the tenant's own (`ACME_BAO_ADDR`) before the platform's."""
    for prefix in (prefix_of(tenant), ""):
        for name in names:
            if value := environ.get(f"{prefix}{name}"):
                return value
    return ""


def login(environ: Mapping[str, str], tenant: str, *names: str) -> tuple[str, ...]:
    """Return the variables of one login, all of the tenant's own (`ACME_BAO_ROLE_ID`) or all of the platform's.

    So each tenant can have a login of its own, and a process that works for the tenant needs no other login.
    """
    own = tuple(environ.get(f"{prefix_of(tenant)}{name}", "") for name in names)
    return own if any(own) else tuple(environ.get(name, "") for name in names)


def within(path: str, tenant: str) -> str:
    """Return the platform's path for one tenant: `{tenant}` is the id; a path without it gets the id at its end."""
    path = path.strip("/")
    if "{tenant}" not in path:
        path = f"{path}/{{tenant}}" if path else "{tenant}"
    return path.replace("{tenant}", tenant)


def escaped(text: str, letters: Callable[[str], bool]) -> str:
    """Return the text in letters, digits and `-`, so that two texts never become the same name.

    `-` begins an escape: `-d` is a dash, `-u` an underscore, `-s` a slash. Characters that pass `letters` stay.
    """
    marks = {"-": "-d", "_": "-u", "/": "-s"}
    if odd := [each for each in text if not letters(each) and each not in marks]:
        raise ConfigError(
            f"the path of the secret store contains `{odd[0]}`, which its names cannot have",
            "use letters, digits, `-`, `_` and `/` in ETL_SECRETS_PATH, or in `path` of [tool.etl.secrets]",
        )
    return "".join(each if letters(each) else marks[each] for each in text)
