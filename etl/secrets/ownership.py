"""Which environment variable belongs to which tenant, and the environment of a tenant's processes.

Belongs here: the rule for names. Not here: reading values (`namespace`), what the platform shares (`etl.platform`).

A variable belongs to a tenant if its name begins with the tenant's id in capitals, followed by `_`. If several ids fit,
the longest id decides. Names that the platform and the system use always belong to the platform.
"""

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase

PLATFORM_PREFIXES = (
    "AWS_", "AZURE_", "BAO_", "DAGSTER_", "DBT_", "ETL_", "GOOGLE_", "KUBERNETES_", "LC_", "LD_", "PG", "PYICEBERG_",
    "PYTHON", "S3_", "SOPS_", "SSL_", "TRINO_", "UV_", "VAULT_", "XDG_",
)  # fmt: skip
"""Names of the platform and the system: a tenant called `aws` does not own AWS_SECRET_ACCESS_KEY."""

PROCESS_VARIABLES = (
    # the system
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "HOSTNAME", "TERM", "COLUMNS", "LINES", "TZ", "TMPDIR", "TEMP",
    "TMP", "LANG", "LANGUAGE", "LC_*", "LD_*", "DYLD_*", "XDG_*", "SYSTEMROOT", "COMSPEC", "PATHEXT",
    "USERPROFILE", "APPDATA",
    # Python and the libraries that the product loads
    "PYTHON*", "VIRTUAL_ENV", "CONDA_*", "UV_*", "COVERAGE_*", "PYTEST_*", "POLARS_*", "RUST_*", "ARROW_*", "DUCKDB_*",
    "OMP_*", "OPENBLAS_*", "MKL_*", "NUMEXPR_*", "MALLOC_*", "NO_COLOR", "FORCE_COLOR",
    # network access
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    # the platform
    "DAGSTER_*", "ETL_*", "DBT_*", "S3_*", "TRINO_*", "PYICEBERG_*", "AWS_*", "KUBERNETES_*", "OTEL_*",
)  # fmt: skip
"""Variables that a run's process keeps, besides the tenant's own variables and the shared variables."""

STORE_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "openbao": ("BAO_", "VAULT_"),
    "vault": ("BAO_", "VAULT_"),
    "gcp": ("GOOGLE_", "CLOUDSDK_"),
    "azure": ("AZURE_", "IDENTITY_", "MSI_"),
    "sops": ("SOPS_", "BAO_", "VAULT_", "GOOGLE_", "AZURE_", "AWS_"),
}
"""The beginnings of variables by which a process reaches a store of secrets. Only the chosen store's are kept."""

STORE_LOGINS = (
    "BAO_TOKEN", "BAO_ROLE_ID", "BAO_SECRET_ID", "VAULT_TOKEN", "VAULT_ROLE_ID", "VAULT_SECRET_ID",
    "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE",
)  # fmt: skip
"""Logins of stores. A tenant's own (`ACME_BAO_TOKEN`) are for the process of its run, and not for its dbt."""

_NOT_FOR_DBT = ("AWS_", "S3_", "DAGSTER_", "KUBERN", "PYICEBERG_")
DBT_VARIABLES = tuple(each for each in PROCESS_VARIABLES if not each.startswith(_NOT_FOR_DBT))
"""The same for dbt, whose SQL can show variables: it gets the object store's keys only if its lake is a bucket."""


def prefix_of(tenant: str) -> str:
    """Return the prefix of the names of a tenant's variables. The folder `_template` counts as `template`."""
    return f"{tenant.lstrip('_').upper()}_"


def owner_of(variable: str, tenants: Iterable[str]) -> str | None:
    """Return the tenant that owns a variable, or None if the platform owns it."""
    if variable.startswith(PLATFORM_PREFIXES):
        return None
    owners = [each for each in tenants if variable.startswith(prefix_of(each))]
    return max(owners, key=len, default=None)


def matches(variable: str, patterns: Iterable[str]) -> bool:
    """Whether one of the names or patterns matches the variable."""
    return any(fnmatchcase(variable, each) for each in patterns)


def may_name(variable: str, tenant: str, tenants: Iterable[str], shared: Iterable[str]) -> bool:
    """Whether the file of `tenant` may name the variable."""
    return matches(variable, shared) or owner_of(variable, {*tenants, tenant}) == tenant


def environment_of(
    tenant: str, environ: Mapping[str, str], tenants: Collection[str], shared: Collection[str]
) -> dict[str, str]:
    """Return the environment of a process that works for one tenant: the tenant's own variables and `shared` ones.

    `shared` are names and patterns; another tenant's variable is left out even if a pattern matches it.
    """
    every = {*tenants, tenant}
    kept = {}
    for name, value in environ.items():
        owner = owner_of(name, every)
        if owner == tenant or (owner is None and matches(name, shared)) or name in shared:
            kept[name] = value
    return kept
