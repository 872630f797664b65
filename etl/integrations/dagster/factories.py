"""Factories that make quality assets, so that no function has to be written for each asset.

Belongs here: the factories. Not here: the code that they share with the decorators (`decorators`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dagster import AssetIn, AssetKey, AssetsDefinition, AssetSpec, MetadataValue, PartitionMapping

from etl.integrations.dagster.asset_config import (
    OutputType,
    QualityAssetConfig,
    RuleList,
    config_for,
    entry_problems,
)
from etl.integrations.dagster.decorators import checked_asset, described_asset, quality_checked_asset
from etl.integrations.dagster.quality_step import ProfileOptions
from etl.quality.rules import RuleError

Upstream = str | Sequence[str] | AssetKey | AssetsDefinition | AssetSpec


def create_quality_asset(
    name: str,
    loader: Callable[..., Any],
    rules: RuleList | QualityAssetConfig,
    **options: Any,  # noqa: ANN401  whatever quality_checked_asset takes
) -> AssetsDefinition:
    """An asset of what `loader` returns, checked before it is materialized.

    `loader` may take a `context`, resources, configuration and upstream assets, as any asset's function.
    """
    return quality_checked_asset(rules, name=name, **options)(loader)


def create_quality_check_asset(
    name: str,
    upstream_asset: Upstream,
    rules: RuleList | QualityAssetConfig,
    *,
    description: str | None = None,
    group_name: str | None = None,
    fail_on_error: bool | None = None,
    output_type: OutputType | None = None,
    tags: Mapping[str, str] | None = None,
    timeout: int | None = None,
    sample_size: int | None = None,
    partition_mapping: PartitionMapping | None = None,
    **asset_options: Any,  # noqa: ANN401  whatever @asset takes
) -> AssetsDefinition:
    """An asset that loads another asset by its I/O manager and checks the data. Its value is the data, or the verdict.

    If data breaks a rule of severity error, the data is not materialized and downstream assets do not run, unless
    `fail_on_error=False`. With `output_type="result"`, the asset's value is the verdict as plain data.
    """
    key = _key(upstream_asset)
    config = config_for(
        f"asset {name}",
        rules,
        fail_on_error=fail_on_error,
        output_type=output_type,
        timeout=timeout,
        sample_size=sample_size,
    )

    return checked_asset(
        _as_loaded,
        config,
        {"input_asset": MetadataValue.text(key.to_user_string())},
        {
            "name": name,
            "ins": {"upstream": AssetIn(key=key, partition_mapping=partition_mapping)},
            "description": description or f"Quality checked {key.to_user_string()}",
            "group_name": group_name,
            "tags": tags,
            **asset_options,
        },
    )


def create_quality_profile_asset(
    name: str,
    upstream_asset: Upstream,
    *,
    description: str | None = None,
    group_name: str | None = None,
    include_distributions: bool = True,
    tags: Mapping[str, str] | None = None,
    **asset_options: Any,  # noqa: ANN401  whatever @asset takes
) -> AssetsDefinition:
    """An asset that loads another asset by its I/O manager. Its value is the profile: column -> description."""
    key = _key(upstream_asset)
    return described_asset(
        _as_loaded,
        ProfileOptions(include_distributions=include_distributions, replaces_data=True),
        "profile",
        {"input_asset": MetadataValue.text(key.to_user_string())},
        {
            "name": name,
            "ins": {"upstream": AssetIn(key=key)},
            "description": description or f"Profile of {key.to_user_string()}",
            "group_name": group_name,
            "tags": tags,
            **asset_options,
        },
    )


def build_quality_assets(
    assets_config: Sequence[Mapping[str, Any]], *, default_group: str | None = None
) -> list[AssetsDefinition]:
    """Many quality check assets from plain data: `name`, `upstream`, `rules`, and the other keys of `ENTRY_KEYS`.

    An error lists all problems.
    """
    built: list[AssetsDefinition] = []
    problems: list[str] = []
    for position, entry in enumerate(assets_config, start=1):
        wrong = entry_problems(position, entry)
        if wrong:
            problems.extend(wrong)
            continue
        try:
            built.append(
                create_quality_check_asset(
                    name=entry["name"],
                    upstream_asset=entry["upstream"],
                    rules=entry["rules"],
                    description=entry.get("description"),
                    group_name=entry.get("group", default_group),
                    fail_on_error=entry.get("fail_on_error"),
                    output_type=entry.get("output_type"),
                    tags=entry.get("tags"),
                )
            )
        except RuleError as unreadable:
            problems.extend(unreadable.problems)
    if problems:
        raise RuleError(problems)
    return built


def _as_loaded(upstream: Any) -> Any:  # noqa: ANN401  a frame, or one for each partition of the upstream asset
    return upstream


def _key(upstream: Upstream) -> AssetKey:
    """The key of the upstream asset; `raw/orders` is a key of two parts."""
    if isinstance(upstream, str):
        return AssetKey.from_user_string(upstream)
    if isinstance(upstream, AssetsDefinition | AssetSpec):
        return upstream.key
    return upstream if isinstance(upstream, AssetKey) else AssetKey([*upstream])
