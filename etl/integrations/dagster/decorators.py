"""`@quality_checked_asset` and `@profiled_asset`: like `@asset`, but the data is checked or profiled first.

Belongs here: the decorators. Not here: factories that need no function (`factories`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, overload

from dagster import AssetKey, AssetsDefinition, asset

from etl.errors import QualityError
from etl.integrations.dagster.asset_config import QualityAssetConfig, RuleList, config_for
from etl.integrations.dagster.outputs import Metadata
from etl.integrations.dagster.quality_step import ProfileOptions, check_spec, describe, judge
from etl.integrations.dagster.signature import (
    RESOURCE_KEY,
    Finish,
    compute_function,
    frame_type,
    function_name,
    refuse_strange,
)
from etl.quality.rules import check_names

Decorator = Callable[[Callable[..., Any]], AssetsDefinition]


def quality_checked_asset(
    rules: RuleList | QualityAssetConfig,
    *,
    fail_on_error: bool | None = None,
    timeout: int | None = None,
    sample_size: int | None = None,
    check_name: str | None = None,
    **asset_options: Any,  # noqa: ANN401  whatever @asset takes
) -> Decorator:
    """An asset whose data is checked in its own step, before it is materialized.

    If data breaks a rule of severity error, the data is not materialized and downstream assets do not run, unless
    `fail_on_error=False`. The verdict is the asset check `quality` (`check_name`). The decorator takes every argument
    of `@asset` and needs the resource `data_quality`.
    """
    if callable(rules):
        raise QualityError("@quality_checked_asset needs rules", "write @quality_checked_asset(rules=[...])")

    def decorate(function: Callable[..., Any]) -> AssetsDefinition:
        refuse_strange("quality_checked_asset", function)
        key = _key(function, asset_options)
        config = config_for(
            f"asset {key.to_user_string()}",
            rules,
            fail_on_error=fail_on_error,
            timeout=timeout,
            sample_size=sample_size,
            check_name=check_name,
        )
        return checked_asset(function, config, {}, asset_options)

    return decorate


@overload
def profiled_asset(function: Callable[..., Any]) -> AssetsDefinition: ...
@overload
def profiled_asset(
    *,
    columns: Sequence[str] | None = None,
    include_statistics: bool = True,
    include_patterns: bool = True,
    include_distributions: bool = True,
    sample_size: int | None = None,
    check_name: str = "profile",
    **asset_options: Any,  # noqa: ANN401
) -> Decorator: ...
def profiled_asset(
    function: Callable[..., Any] | None = None,
    *,
    columns: Sequence[str] | None = None,
    include_statistics: bool = True,
    include_patterns: bool = True,
    include_distributions: bool = True,
    sample_size: int | None = None,
    check_name: str = "profile",
    **asset_options: Any,
) -> AssetsDefinition | Decorator:
    """An asset that is materialized with a profile of its data; the asset check `profile` passes if there is a profile.

    The decorator takes every argument of `@asset` and needs the resource `data_quality`.
    """
    names = tuple(columns) if columns is not None else None
    options = ProfileOptions(names, include_statistics, include_patterns, include_distributions, sample_size)

    def decorate(function: Callable[..., Any]) -> AssetsDefinition:
        refuse_strange("profiled_asset", function)
        return described_asset(function, options, check_name, {}, asset_options)

    return decorate if function is None else decorate(function)


def checked_asset(
    function: Callable[..., Any], config: QualityAssetConfig, metadata: Metadata, asset_options: Mapping[str, Any]
) -> AssetsDefinition:
    """Return the asset that `function` computes and `config` checks; every materialization has `metadata`."""
    said = "Rules, judged before the data is materialized: " + ", ".join(check_names(config.rules))
    finish = partial(judge, config, metadata)
    return _asset_of(
        function,
        finish,
        config.check_name,
        said,
        asset_options,
        tag="quality_check",
        blocking=config.fail_on_error,
        typed=config.output_type == "validated",
    )


def described_asset(
    function: Callable[..., Any],
    options: ProfileOptions,
    check_name: str,
    metadata: Metadata,
    asset_options: Mapping[str, Any],
) -> AssetsDefinition:
    """Return the asset that `function` computes, materialized with its profile, or as the profile itself."""
    return _asset_of(
        function,
        partial(describe, options, check_name, metadata),
        check_name,
        "The data could be described.",
        asset_options,
        tag="profile",
        blocking=False,
        typed=not options.replaces_data,
    )


def _asset_of(
    function: Callable[..., Any],
    finish: Finish,
    check_name: str,
    said: str,
    asset_options: Mapping[str, Any],
    *,
    tag: str,
    blocking: bool,
    typed: bool = True,
) -> AssetsDefinition:
    options = {**asset_options}
    spec = check_spec(check_name, _key(function, options), said, options.get("partitions_def"), blocking=blocking)
    resources = frozenset(options.pop("required_resource_keys", None) or ())
    options["tags"] = {"data_quality": tag, **(options.get("tags") or {})}
    options["check_specs"] = [*(options.get("check_specs") or ()), spec]
    if options.get("name") is None and options.get("key") is None:
        options["name"] = function_name(function)
    if typed and options.get("dagster_type") is None:
        options["dagster_type"] = frame_type(function)
    made: AssetsDefinition = asset(**options)(compute_function(function, finish, resources - {RESOURCE_KEY}))
    return made


def _key(function: Callable[..., Any], options: Mapping[str, Any]) -> AssetKey:
    """The key that `@asset` will give to the asset."""
    if options.get("key") is not None:
        return AssetKey.from_coercible(options["key"])
    prefix = options.get("key_prefix") or ()
    name = options.get("name") or function_name(function)
    return AssetKey([*([prefix] if isinstance(prefix, str) else prefix), name])
