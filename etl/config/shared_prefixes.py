"""Finds tenants whose place in a bucket lies inside another tenant's place, as far as the tenants' files show.

Belongs here: comparing `storage` of all tenants. Not here: what one `base_path` may contain (`ownership`), and the
tables of a shared warehouse (`shared_tables`).

The place of a tenant is `<base_path>/<id>`: the lake puts the tenant's id into the key of every object. Two tenants may
therefore have the same `base_path`, or no `base_path`, in one bucket. Variables are not resolved: two buckets are the
same if their texts, without defaults, are the same.
"""

from collections.abc import Iterable
from itertools import permutations

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.secrets.template import without_defaults


def shared_prefixes(configs: Iterable[TenantConfig]) -> list[tuple[frozenset[str], ConfigError]]:
    """Return the two tenants and the error for each tenant whose objects would lie in another tenant's place."""
    places = [(each, _place(each), _text(each, "bucket")) for each in configs if _uses_bucket(each)]
    return [
        (frozenset({inner.id, outer.id}), _error(inner, outer))
        for (inner, place, bucket), (outer, around, other) in permutations(places, 2)
        if bucket == other and _lies_in(place, around) and _is_same_server(inner, outer)
    ]


def _uses_bucket(config: TenantConfig) -> bool:
    return config.storage.bucket is not None and any(each.save_to_s3 for each in config.pipelines.values())


def _is_same_server(one: TenantConfig, other: TenantConfig) -> bool:
    """Whether the files do not name different servers."""
    first, second = _text(one, "endpoint_url"), _text(other, "endpoint_url")
    return not (first and second and first != second)


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
