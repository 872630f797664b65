"""Places in a bucket of which one lies inside another tenant's, as far as the tenants' files tell.

Belongs here: comparing `storage` of all tenants. Not here: what one `base_path` may hold (`ownership`), and the tables
of a shared warehouse (`shared_tables`).

The place of a tenant is `<base_path>/<id>`: the lake puts the tenant's id into the key of every object. Two tenants may
therefore have the same `base_path`, or none, in one bucket. Nothing is resolved: buckets are the same where their texts
are, whatever defaults stand in them.
"""

from collections.abc import Iterable
from itertools import permutations

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.secrets.template import without_defaults


def shared_prefixes(configs: Iterable[TenantConfig]) -> list[tuple[frozenset[str], ConfigError]]:
    """For each tenant whose objects would lie in the place of another: the two, and the error."""
    return [
        (frozenset({inner.id, outer.id}), _error(inner, outer))
        for inner, outer in permutations(filter(_uses_bucket, configs), 2)
        if _is_same_bucket(inner, outer) and _lies_in(_place(inner), _place(outer))
    ]


def _uses_bucket(config: TenantConfig) -> bool:
    return config.storage.bucket is not None and any(each.save_to_s3 for each in config.pipelines.values())


def _is_same_bucket(one: TenantConfig, other: TenantConfig) -> bool:
    """Buckets of one name, unless both files name a server and not the same."""
    first, second = _text(one, "endpoint_url"), _text(other, "endpoint_url")
    apart = first and second and first != second
    return _text(one, "bucket") == _text(other, "bucket") and not apart


def _place(config: TenantConfig) -> list[str]:
    return [*(part for part in _text(config, "base_path").split("/") if part), config.id]


def _lies_in(inner: list[str], outer: list[str]) -> bool:
    return inner[: len(outer)] == outer


def _text(config: TenantConfig, key: str) -> str:
    template = getattr(config.storage, key)
    return without_defaults(template.text) if template is not None else ""


def _error(inner: TenantConfig, outer: TenantConfig) -> ConfigError:
    first, second = (f"{each.origin.path}:{each.line_of('storage', 'base_path')}" for each in (outer, inner))
    return ConfigError(
        f"{second}: the objects of tenant {inner.id} would lie in `{'/'.join(_place(inner))}` of the bucket"
        f" `{_text(inner, 'bucket')}`, which is inside `{'/'.join(_place(outer))}`, the place of tenant {outer.id}"
        f" ({first})",
        f"give {inner.id} a `base_path` outside of it; several tenants may have the same one, or none",
    )
