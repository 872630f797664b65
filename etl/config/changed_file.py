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


def behind_last_pipeline(text: str, added: Callable[[int], str], file: str) -> str:
    """Return the text of a file with more pipelines behind its last one. All its lines stay as they are.

    `added` makes the new lines, indented by the number that it is given.
    """
    block = _pipelines_node(text, file)
    indent = block.value[-1][0].start_mark.column
    lines = text.splitlines(keepends=True)
    at = _line_behind(lines, block)
    newline = "\r\n" if "\r\n" in text else "\n"
    if at and not lines[at - 1].endswith(("\n", "\r")):
        lines[at - 1] += newline
    return "".join([*lines[:at], added(indent).replace("\n", newline), *lines[at:]])


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


def _line_behind(lines: list[str], pipelines: yaml.MappingNode) -> int:
    """Return the first line behind the last pipeline, with the comments that belong to the pipelines."""
    key, value = pipelines.value[-1]
    end: int = max(key.end_mark.line + 1, _end_of(value) if value.start_mark.index > key.start_mark.index else 0)
    for number in range(end, len(lines)):
        stripped = lines[number].strip()
        depth = len(lines[number]) - len(lines[number].lstrip())
        if stripped and not (stripped.startswith("#") and depth >= key.start_mark.column):
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


def _pipelines_node(text: str, file: str) -> yaml.MappingNode:
    """Return the mapping of the pipelines, which has to be written as a block with one pipeline at least."""
    node: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
    tenant = _child(node, "tenant") or node
    pipelines = _child(_child(tenant, "assets"), "pipelines")
    if not isinstance(pipelines, yaml.MappingNode) or not pipelines.value or pipelines.flow_style:
        raise ConfigError(
            f"{file} has no `assets: pipelines:` as a block with a pipeline, behind which others could be added",
            "write the pipelines as a block, one key a line",
        )
    return pipelines


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
