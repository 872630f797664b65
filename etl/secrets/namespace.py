"""The values for one tenant's templates: the variables that the tenant may name, and its secrets.

Belongs here: `Namespace`, which refuses another owner's variable at the moment of use. Not here: the same refusal when
a file is read (`etl.config.ownership`), and the rule itself (`ownership`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from etl.errors import ConfigError, SecretError
from etl.platform import SHARED_VARIABLES, SecretsConfig
from etl.secrets.cache import read, read_again
from etl.secrets.contract import DEFAULT_KEY, SecretResolver
from etl.secrets.in_clear import is_secret_key
from etl.secrets.ownership import may_name, owner_of, prefix_of
from etl.secrets.renewal import Renewable
from etl.secrets.scrub import learn
from etl.secrets.stores import open_store
from etl.secrets.template import SECRET, EnvTemplate, is_reference, secrets_of, split_secret

_T = TypeVar("_T")


@dataclass(frozen=True)
class Namespace(Mapping[str, str]):
    """Variables by name and secrets by `secret:name#key`, for one tenant. Every secret that was read is remembered.

    `environ` is the process environment, `tenants` are the ids of all tenants of the project, and `shared` and
    `secrets` come from the platform's configuration.
    """

    tenant: str
    environ: Mapping[str, str] = field(repr=False)
    tenants: tuple[str, ...] = ()
    shared: tuple[str, ...] = SHARED_VARIABLES
    secrets: SecretsConfig = field(default_factory=SecretsConfig)

    def __getitem__(self, name: str) -> str:
        """The value. Raises KeyError if a variable is not set, ConfigError if the tenant may not name the variable."""
        if name.startswith(SECRET):
            if not is_reference(name):
                words = "lower-case letters, digits, `_`, `-` and `/`; then `#` and a key"
                raise SecretError(
                    f"tenant {self.tenant}: `{name}` is no secret's name", f"write secret:name#key: {words}"
                )
            secret, key = split_secret(name)
            value = read(self.store(), self.tenant, secret, key or DEFAULT_KEY, self.secrets.cache_seconds)
            learn(value)
            return value
        if not may_name(name, self.tenant, self.tenants, self.shared):
            problem, remedy = refusal(name, self.tenant, self.tenants)
            raise ConfigError(f"tenant {self.tenant}: {problem}", remedy)
        value = self.environ[name]
        if is_secret_key(name):
            learn(value)
        return value

    def store(self) -> SecretResolver:
        """The store of the tenant's secrets. Nothing is read."""
        return open_store(self.secrets, self.environ, self.tenant, self.tenants)

    def read_again(self, references: Iterable[str]) -> None:
        """Ask the store for these secrets (`secret:name#key`) once more, whatever this process keeps."""
        store = self.store()
        for secret, key in dict(map(split_secret, references)).items():  # one read has all keys of a secret
            read_again(store, self.tenant, secret, key or DEFAULT_KEY, self.secrets.cache_seconds)

    def renewable(self, make: Callable[[], _T], templates: Iterable[EnvTemplate]) -> Renewable[_T] | None:
        """Return what `make` makes from these templates, so that it can be made again; None if none names a secret."""
        references = [name for each in templates for name in secrets_of(each.text)]
        return Renewable(make, partial(self.read_again, references)) if references else None

    def __iter__(self) -> Iterator[str]:
        """The variables that the tenant may name; secrets are not listed."""
        return (name for name in self.environ if may_name(name, self.tenant, self.tenants, self.shared))

    def __len__(self) -> int:
        """How many variables the tenant may name."""
        return sum(1 for _ in self)


def refusal(variable: str, tenant: str, tenants: tuple[str, ...]) -> tuple[str, str]:
    """Return why the file of `tenant` may not name the variable, and the remedy."""
    owner = owner_of(variable, {*tenants, tenant})
    whose = f"belongs to tenant {owner}" if owner else f"does not belong to tenant {tenant}"
    remedy = (
        f"a variable that begins with {prefix_of(tenant)}, or one that the platform shares: "
        "[tool.etl] shared_variables in pyproject.toml"
    )
    return f"the variable `{variable}` {whose}", remedy
