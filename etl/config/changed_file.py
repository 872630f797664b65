"""Changes the file of a tenant that exists: more pipelines behind its last one, all other lines as they are.

Belongs here: the place in the file, the proof that the tenant loads with the new text, and writing it in one step. Not
here: the text of a pipeline (`etl.onboarding`, `etl.odcs`).
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from etl.config.config_loader import CONFIG_FILE, list_tenants, load_tenant
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import SIZE_LIMIT
from etl.errors import ConfigError, EtlError
from etl.quality.whole_file import write_whole
from etl.settings import Settings

_STEPS = ("tenant", "assets", "pipelines")
_STEP = 2


def behind_last_pipeline(text: str, added: Callable[[int], str], file: str) -> str:
    """Return the text of a file with more pipelines behind its last one. All its lines stay as they are.

    `added` makes the new lines, indented by the number that it is given. Where the file has no pipelines yet, the keys
    above them are added too. Raises a ConfigError if the mapping that would get them is not written as a block.
    """
    at, indent, missing = _place(text, file)
    above = "".join(f"{' ' * (indent + _STEP * number)}{key}:\n" for number, key in enumerate(missing))
    new = above + added(indent + _STEP * len(missing))
    lines = text.splitlines(keepends=True)
    newline = "\r\n" if "\r\n" in text else "\n"
    if at and not lines[at - 1].endswith(("\n", "\r")):
        lines[at - 1] += newline
    return "".join([*lines[:at], new.replace("\n", newline), *lines[at:]])


def check_text(settings: Settings, tenant: str, text: str) -> TenantConfig:
    """Load the text as the tenant's file, in a project that is otherwise this one. Raises one error with all mistakes.

    It is checked as in dev, because in prod the new tenant's variables need not be set yet.
    """
    if (size := len(text.encode())) > SIZE_LIMIT:
        raise EtlError(
            f"the file of tenant {tenant} would have {size:,} bytes; allowed: {SIZE_LIMIT:,}",
            "add fewer tables; several tenants can read one database",
        )
    with TemporaryDirectory(prefix="etl-new-") as folder:
        project = Path(folder)
        if (settings.project_dir / "pyproject.toml").is_file():
            shutil.copyfile(settings.project_dir / "pyproject.toml", project / "pyproject.toml")
        for each in {*list_tenants(settings), tenant}:
            (project / "tenants" / each).mkdir(parents=True)
            (project / "tenants" / each / CONFIG_FILE).touch()
        own = project / "tenants" / tenant
        for part in (settings.tenants_dir / tenant).iterdir() if (settings.tenants_dir / tenant).is_dir() else ():
            if part.name != CONFIG_FILE:
                (own / part.name).symlink_to(part)
        (own / CONFIG_FILE).write_text(text, encoding="utf-8", newline="")
        elsewhere = settings.model_copy(update={"project_dir": project, "environment": "dev"})
        return load_tenant(tenant, elsewhere)


def write_config(settings: Settings, tenant: str, before: str, text: str) -> None:
    """Replace a tenant's file in one step, if it still is what was read."""
    path = settings.tenants_dir / tenant / CONFIG_FILE
    if read_config(settings, tenant) != before:
        raise ConfigError(f"tenants/{tenant}/{CONFIG_FILE} was changed meanwhile", "run the command again")
    replace_file(path, text)


def read_config(settings: Settings, tenant: str) -> str:
    """Return the text of a tenant's file with its line ends as they are."""
    path = settings.tenants_dir / tenant / CONFIG_FILE
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"tenants/{tenant}/{CONFIG_FILE} cannot be read: {error}", "correct the file") from error


def replace_file(path: Path, text: str) -> None:
    """Replace a file of the project in one step."""
    try:
        write_whole(path.resolve(), text)
    except OSError as error:
        raise EtlError(f"{path.name} cannot be written: {error.strerror}", "free the disk, or grant rights") from error


def _place(text: str, file: str) -> tuple[int, int, tuple[str, ...]]:
    """Return the line before which pipelines are put, their indentation, and the keys above them that are missing."""
    lines = text.splitlines(keepends=True)
    root: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
    steps = ("assets", "pipelines") if _child(root, "assets") or not _child(root, "tenant") else _STEPS
    if not isinstance(root, yaml.MappingNode) or root.flow_style or not root.value:
        raise _no_block(file, "the whole file")
    block = root
    for number, step in enumerate(steps):
        column = block.value[0][0].start_mark.column
        pair = next((each for each in block.value if each[0].value == step), None)
        if pair is None:
            key, value = block.value[-1]
            return _line_behind(lines, key, value, column), column, steps[number:]
        key, value = pair
        if isinstance(value, yaml.ScalarNode) and not value.value and not value.style:
            return _line_behind(lines, key, value, column + 1), column + _STEP, steps[number + 1 :]
        if not isinstance(value, yaml.MappingNode) or value.flow_style or value.start_mark.index < key.end_mark.index:
            raise _no_block(file, f"`{step}`")
        block = value
    key, value = block.value[-1]
    return _line_behind(lines, key, value, key.start_mark.column), key.start_mark.column, ()


def _no_block(file: str, what: str) -> ConfigError:
    return ConfigError(
        f"{file}: {what} is written in braces, or as an alias, and not as a block, so no pipeline can be added",
        "write it as a block, one key a line; an empty `pipelines:` has no braces",
    )


def _line_behind(lines: list[str], key: yaml.Node, value: yaml.Node, column: int) -> int:
    """Return the first line behind a key and its value, with the comments that stand at this column or deeper."""
    end: int = max(key.end_mark.line + 1, _end_of(value) if value.start_mark.index > key.start_mark.index else 0)
    for number in range(end, len(lines)):
        stripped = lines[number].strip()
        depth = len(lines[number]) - len(lines[number].lstrip())
        if stripped and not (stripped.startswith("#") and depth >= column):
            break
        end = number + 1 if stripped else end
    return end


def _end_of(node: yaml.Node) -> int:
    """Return the first line behind a node. PyYAML ends a block only where the next key begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        parts = last if isinstance(last, tuple) else (last,)
        return max(_end_of(each) for each in parts if each.start_mark.index >= node.start_mark.index)
    line, column = int(node.end_mark.line), int(node.end_mark.column)
    return line + 1 if column else line


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
