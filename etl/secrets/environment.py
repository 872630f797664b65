"""The store of environment variables: `db#password` of the tenant `acme` is ACME_SECRET_DB__PASSWORD.

Belongs here: the variable of a secret. Not here: who owns a variable (`ownership`).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from etl.errors import SecretError
from etl.secrets.contract import DEFAULT_KEY, SecretContent, Values, refused
from etl.secrets.ownership import owner_of, prefix_of

_WORDS = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")


@dataclass(frozen=True)
class EnvSecrets:
    """Environment variables. They have no versions, and a process sees no later value."""

    environ: Mapping[str, str] = field(repr=False)
    tenants: Collection[str] = ()
    store: str = "env"
    is_remote: bool = False

    def place(self, tenant: str, name: str, key: str) -> str:
        """The variable. Raises SecretError if another owner's variable would have this name."""
        variable = variable_of(tenant, name, key)
        owner = owner_of(variable, {*self.tenants, tenant})
        if owner != tenant:
            whose = f"tenant {owner}" if owner else "the platform"
            raise SecretError(
                f"the secret `{name}` of tenant {tenant} would be {variable}, which belongs to {whose}",
                "give the secret another name, or let the platform keep secrets in files: ETL_SECRETS=files",
            )
        return variable

    def read(self, tenant: str, name: str, key: str) -> SecretContent:
        """The variable's value."""
        variable = self.place(tenant, name, key)
        value = self.environ.get(variable)
        if not value:
            raise refused(self, tenant, name, key, "the variable is not set", f"set {variable}")
        return SecretContent(Values({key: value}))


def variable_of(tenant: str, name: str, key: str) -> str:
    """Return the environment variable of a secret. Two secrets never have the same variable.

    Words are written in capitals; `/` becomes `__S__`, `-` becomes `__D__`, and the key follows after `__`.
    """
    parts = re.split(r"([/-])", name)
    if not all(_WORDS.fullmatch(each) for each in (*parts[::2], key)):
        raise SecretError(
            f"the secret `{name}#{key}` cannot be an environment variable",
            "use lower-case words with single `_` between them, or let the platform keep secrets in files",
        )
    marks = {"/": "__S__", "-": "__D__"}
    text = "".join(marks.get(each, each.upper()) for each in parts)
    return f"{prefix_of(tenant)}SECRET_{text}" + (f"__{key.upper()}" if key != DEFAULT_KEY else "")
