"""Finds dependencies on assets that do not exist.

Belongs here: `unknown-dependency`. Not here: rules about single definitions (`definition_rules`).
"""

from collections.abc import Iterator

from dagster import AssetKey, AssetsDefinition, AssetSpec, Definitions, SourceAsset

from etl.conventions.definition_rules import Place, place_of
from etl.conventions.registry import finding
from etl.conventions.rule import CheckFinding
from etl.suggest import nearest


def unknown_dependencies(definitions: Definitions) -> Iterator[CheckFinding]:
    """Yield each dependency on a key that no asset of the location has, and that is not declared as external."""
    wanted: list[tuple[AssetSpec, Place | None]] = []
    known: set[AssetKey] = set()
    for each in definitions.assets or ():
        if isinstance(each, AssetsDefinition):
            known |= set(each.keys)
            wanted += [(spec, place_of(each)) for spec in each.specs]
        elif isinstance(each, AssetSpec):
            known.add(each.key)
            wanted.append((each, None))
        elif isinstance(each, SourceAsset):
            known.add(each.key)
    for spec, place in wanted:
        missing = sorted({each.asset_key for each in spec.deps} - known)
        for key in missing:
            name = key.to_user_string()
            close = nearest(name, (each.to_user_string() for each in known - {spec.key}))
            found = finding(
                "unknown-dependency",
                f"it depends on `{name}`, which no asset of the location is",
                f"did you mean `{close}`? An asset of another location is declared with `dg.AssetSpec(...)`"
                if close
                else "",
                subject=spec.key.to_user_string(),
            )
            yield (
                found
                if place is None
                else found.model_copy(update={"path": place[0], "line": place[1], "end_line": place[2]})
            )
