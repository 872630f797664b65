"""What the documentation's site has beside the pages of docs/: files to which they link, and the list of decisions.

Belongs here: the hooks that mkdocs calls. Not here: the order of the pages (mkdocs.yml), generated pages (`etl docs`).

A page links to source files and examples with a path of the repository. On the site, each of these files is a page with
its text, and a folder is a page that lists its files.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
LINK = re.compile(r"\]\((\.\./[^)\s#]*)(#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".json": "json", "": "dockerfile"}


def on_config(config: Any) -> Any:  # noqa: ANN401  mkdocs's own mapping
    """Add the decisions to the navigation: each file, by its title."""
    decisions = sorted(f"decisions/{each.name}" for each in (DOCS / "decisions").glob("*.md"))
    config["nav"].append({"Decisions": decisions})
    config["nav"].append(
        {"Project": [{"Contributing": "repository/CONTRIBUTING.md"}, {"Changelog": "repository/CHANGELOG.md"}]}
    )
    return config


def on_files(files: Files, *, config: Any) -> Files:  # noqa: ANN401
    """Add a page for each file outside docs/ to which a page links."""
    wanted = {REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "CHANGELOG.md"}
    for page in DOCS.rglob("*.md"):
        wanted |= {_target(page, found[1]) for found in LINK.finditer(page.read_text(encoding="utf-8"))}
    for path in sorted(each for each in wanted if not each.is_relative_to(DOCS)):
        if path.suffix == ".svg":
            files.append(File.generated(config, _place(path), abs_src_path=str(path)))
        else:
            files.append(File.generated(config, _place(path), content=_content(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:  # noqa: ANN401
    """Turn a link to a file of the repository into a link to its page."""
    if page.file.src_uri.startswith("repository/"):
        return markdown
    here = DOCS / page.file.src_uri

    def on_site(found: re.Match[str]) -> str:
        target = _target(here, found[1])
        if target.is_relative_to(DOCS):
            return found[0]
        place = os.path.relpath(DOCS / _place(target), here.parent)
        return f"]({place}{found[2] or ''})"

    return LINK.sub(on_site, markdown)


def _target(page: Path, link: str) -> Path:
    return Path(os.path.normpath(page.parent / link))


def _place(path: Path) -> str:
    """Return the page of a file, relative to the site's pages."""
    inside = path.relative_to(REPOSITORY).as_posix()
    return f"repository/{inside}" if path.suffix in {".md", ".svg"} else f"repository/{inside}.md"


def _content(path: Path) -> str:
    name = path.relative_to(REPOSITORY).as_posix()
    if path.is_dir():
        names = sorted(each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file())
        shown = "\n".join(f"- `{each}`" for each in names if "__pycache__" not in each)
        return f"# {name}\n\n{shown}\n"
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":  # links of a page at the root of the repository
        text = re.sub(r"\]\(docs/([^)\s]+)\)", r"](../\1)", text)
        return re.sub(r"\]\((?!\.\./|https?:|#)([^)\s]+)\)", "]", text)
    return f"# {name}\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{text}\n````\n"
