"""The files of a tenant under another id: their texts, and whether they are valid before anything is written.

Belongs here: what changes in the texts of a tenant's folder, and reading the new configuration in a scratch copy. Not
here: the order of a renaming (`rename`).
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etl.config.config_loader import CONFIG_FILE, load_tenant
from etl.config.life import FILE as LIFE_FILE
from etl.errors import ConfigError, EtlError
from etl.secrets.ownership import prefix_of
from etl.settings import Settings

_TEXTS = {".py", ".sql", ".yaml", ".yml", ".md", ".toml", ".csv", ".json"}
"""Files that are copied into the scratch copy. Of the others only the name counts: they may be large databases."""
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
    named = re.sub(pattern, rf"\g<1>\g<2>{new}\g<2>\g<3>", text, count=1, flags=re.MULTILINE)
    return named.replace(f"${{{prefix_of(old)}", f"${{{prefix_of(new)}")


def refuse_invalid(settings: Settings, old: str, new: str) -> None:
    """Raise an error if the tenant's file would not be valid under the new id. Nothing of the project is written."""
    with tempfile.TemporaryDirectory(prefix="etl-rename-") as scratch:
        root = Path(scratch)
        _link_others(settings.project_dir, root, "tenants")
        (root / "tenants").mkdir()
        _link_others(settings.tenants_dir, root / "tenants", old)
        source, target = settings.tenants_dir / old, root / "tenants" / new
        for path in own_files(source):
            inner = path.relative_to(source)
            (target / inner).parent.mkdir(parents=True, exist_ok=True)
            text = renamed_text(path, inner.as_posix(), old, new)
            if text is not None:
                (target / inner).write_text(text, encoding="utf-8")
            else:
                (target / inner).write_bytes(path.read_bytes() if path.suffix in _TEXTS else b"")
        try:
            load_tenant(new, settings.model_copy(update={"project_dir": root}))
        except ConfigError as error:
            said = [each.replace(f"tenants/{new}/", f"tenants/{old}/") for each in error.problems]
            raise EtlError(
                "\n".join(
                    [
                        f"tenant {old} cannot be renamed: under the id {new}, its file would not be valid:",
                        *(f"  - {each}" for each in said or [error.problem]),
                    ]
                ),
                f"{error.hint or 'correct these lines'}; nothing was changed",
            ) from None


def _link_others(folder: Path, scratch: Path, but: str) -> None:
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.name != but:
            (scratch / each.name).symlink_to(each.resolve())
