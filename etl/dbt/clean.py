"""Removes secrets from the files that dbt writes.

Belongs here: dbt's own files, which repeat the variables that a project read (manifest, results, compiled SQL, log).
Not here: what a secret is (`etl.secrets.scrub`), and running dbt (`build`, `project`).

A short secret may be equal to the name of a schema or a model. The product reads dbt's JSON files, so names stay
unchanged there, even if a name is equal to a password; a name does not show that it is a password.
"""

import json
from pathlib import Path
from typing import Any

from etl.secrets.scrub import known_in, known_only, long_only, scrub

_NAMES = frozenset({
    "alias", "build_path", "child_map", "column_name", "compiled_path", "database", "docs", "fqn", "group",
    "identifier", "loader", "macros", "materialized", "name", "nodes", "original_file_path", "package_name",
    "parent_map",
    "patch_path", "path", "primary_key", "project_name", "quoting", "refs", "relation_name", "resource_type",
    "root_path", "schema", "source_name", "sources", "status", "tags", "unique_id",
})  # fmt: skip
"""Keys of dbt's JSON files whose texts are names."""


def clean_folders(*folders: Path) -> None:
    """Rewrite texts that contain a known secret, and remove files that are not text, because dbt makes caches again."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.suffix != ".parquet":
                _clean(path)


def _clean(path: Path) -> None:
    content = path.read_bytes()
    if not known_in(content):
        return
    text = _text(content) if path.suffix != ".msgpack" else None
    if text is None:
        path.unlink()
        return
    clean = _clean_json(text) if path.suffix == ".json" else scrub(text)
    if clean != text:
        path.write_text(clean, encoding="utf-8")


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _clean_json(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:  # dbt was killed while it wrote
        return scrub(text)
    clean = _without_secrets(found, name=False)
    return text if clean == found else json.dumps(clean)


def _without_secrets(value: Any, *, name: bool) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, str):
        return long_only(value) if name else known_only(value)
    if isinstance(value, list):
        return [_without_secrets(each, name=name) for each in value]
    if isinstance(value, dict):
        return {long_only(key): _without_secrets(each, name=_is_name(key, each, name)) for key, each in value.items()}
    return value


def _is_name(key: str, value: object, inside_names: bool) -> bool:
    """Whether texts below the key are names. Below keys such as `nodes`, a list has names, and a mapping has nodes."""
    if isinstance(value, dict):
        return inside_names or key in ("parent_map", "child_map")
    return inside_names or key in _NAMES
