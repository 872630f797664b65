"""The values for one tenant's templates: the variables that the tenant may name, and its secrets.

Belongs here: `Namespace`, which refuses another owner's variable at the moment of use. Not here: the same refusal when
a file is read (`etl.config.ownership`), and the rule itself (`ownership`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from etl.errors import ConfigError
from etl.platform import SHARED_VARIABLES, SecretsConfig
from etl.secrets.in_clear import is_secret_key
from etl.secrets.ownership import may_name, owner_of, prefix_of
from etl.secrets.scrub import learn
from etl.secrets.stores import DEFAULT_KEY, open_store
from etl.secrets.template import SECRET, split_secret


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
            secret, key = split_secret(name)
            store = open_store(self.secrets, self.environ, self.tenants)
            value = store.fetch(self.tenant, secret, key or DEFAULT_KEY)
            learn(value)
            return value
        if not may_name(name, self.tenant, self.tenants, self.shared):
            problem, remedy = refusal(name, self.tenant, self.tenants)
            raise ConfigError(f"tenant {self.tenant}: {problem}", remedy)
        value = self.environ[name]
        if is_secret_key(name):
            learn(value)
        return value

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
