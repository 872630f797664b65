"""Makes an asset take only its own resources into account when Dagster binds the resources of a location.

Belongs here: the definitions that do so. Not here: which resources a tenant has (`resource_factory`).

Dagster examines every resource of a location once for each asset of it: 1.3 million times for 100 tenants, 32 million
times for 500. The result has the asset's own resources only, as here. See docs/decisions/own-resources.md.
"""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Self

from dagster import AssetChecksDefinition, AssetsDefinition, BetaWarning, ResourceDefinition


class _OwnResources(AssetsDefinition):
    def with_resources(self, resource_defs: Mapping[str, ResourceDefinition]) -> Self:
        """Bind the resources that this definition requires; all of them if one of these requires others."""
        own = {key: resource_defs[key] for key in sorted(self.required_resource_keys) if key in resource_defs}
        alone = not any(each.get_required_resource_keys(resource_defs) for each in own.values())
        found: Self = super().with_resources(own if alone else resource_defs)  # type: ignore[assignment]  # Dagster makes one of the same class
        return found


class _OwnResourcesOfChecks(_OwnResources, AssetChecksDefinition):
    """Checks, which Dagster knows by their class."""


_CLASSES: Mapping[type, type[_OwnResources]] = {
    AssetsDefinition: _OwnResources,
    AssetChecksDefinition: _OwnResourcesOfChecks,
}


def with_own_resources(definitions: Iterable[Any]) -> list[Any]:
    """Return the same definitions; those of Dagster's own two classes bind their own resources only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)  # of an argument that each definition already has
        return [
            made(**each.get_attributes_dict()) if (made := _CLASSES.get(type(each))) else each for each in definitions
        ]
