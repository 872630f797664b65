"""The files of a tenant under another id: their texts, and whether they are valid before anything is written.

Belongs here: what changes in the texts of a tenant's folder, and reading the new configuration in a scratch copy. Not
here: the order of a renaming (`rename`).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from etl.config.config_loader import CONFIG_FILE
from etl.config.life import FILE as LIFE_FILE
from etl.config.yaml_word import yaml_word
from etl.errors import ConfigError, EtlError
from etl.lifecycle.scratch import load_in_scratch
from etl.secrets.ownership import prefix_of
from etl.settings import Settings

_REWRITTEN = {".py", ".sql", ".yaml", ".yml", ".md", ".toml"}


def own_files(folder: Path) -> Iterator[Path]:
    """Yield the tenant's files. Its configuration comes last, so that no half of a folder is a tenant."""
    for path in sorted(folder.rglob("*"), key=lambda each: each.name == CONFIG_FILE):
        inner = path.relative_to(folder)
        if path.is_file() and inner.as_posix() != LIFE_FILE and "__pycache__" not in inner.parts:
            yield path


def renamed_text(path: Path, inner: str, old: str, new: str) -> str | None:
    """Return the text of a file under the new id; None if the file is copied as it is.

    Paths and modules of the tenant's own folder (`tenants/<old>/...`, `tenants.<old>...`) get the new name everywhere.
    """
    if path.suffix not in _REWRITTEN:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:  # it holds no path that the product reads
        return None
    text = re.sub(rf"(?<![\w.-])tenants([./]){re.escape(old)}(?![\w-])", rf"tenants\g<1>{new}", text)
    if inner == CONFIG_FILE:
        return _config_text(text, old, new)
    if inner == "definitions.py":
        return text.replace(f'"{old}"', f'"{new}"').replace(f"'{old}'", f"'{new}'")
    return text


def _config_text(text: str, old: str, new: str) -> str:
    """Return the file's text with the new id, and with the tenant's own variables under their new names."""
    pattern = rf"^(\s*id:\s*)(['\"]?){re.escape(old)}\2(\s*(?:#.*)?)$"

    def renamed(found: re.Match[str]) -> str:
        return f"{found[1]}{f'{found[2]}{new}{found[2]}' if found[2] else yaml_word(new)}{found[3]}"

    named = re.sub(pattern, renamed, text, count=1, flags=re.MULTILINE)
    return named.replace(f"${{{prefix_of(old)}", f"${{{prefix_of(new)}")


def refuse_invalid(settings: Settings, old: str, new: str, dbt: Path) -> None:
    """Raise an error if the tenant's file would not be valid under the new id. Nothing of the project is written."""
    source = settings.tenants_dir / old
    files: list[tuple[str, str | Path]] = []
    for path in own_files(source):
        inner = path.relative_to(source).as_posix()
        text = renamed_text(path, inner, old, new)
        files.append((inner, path if text is None else text))
    try:
        load_in_scratch(settings, new, files, dbt, without=old)
    except ConfigError as error:
        said = [each.replace(f"tenants/{new}/", f"tenants/{old}/") for each in error.problems]
        first = f"tenant {old} cannot be renamed: under the id {new}, its file would not be valid:"
        raise EtlError(
            "\n".join([first, *(f"  - {each}" for each in said or [error.problem])]),
            f"{error.hint or 'correct these lines'}; nothing was changed",
        ) from None
