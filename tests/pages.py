"""Types a page of the documentation in this process: its files are written, its commands are called."""

import shlex
from pathlib import Path

from tests.cli.conftest import Etl, Said
from tests.installation import REPOSITORY
from tests.test_docs import blocks


def type_page(name: str, project: Path, etl: Etl, *, leave_out: tuple[str, ...] = ()) -> dict[str, Said]:
    """What each command of the page said. Each has to end well; commands that begin with `leave_out` are not called."""
    said: dict[str, Said] = {}
    for block in blocks(REPOSITORY / "docs" / name):
        if block.order.startswith("write "):
            path = project / block.order.removeprefix("write ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            for line in block.text.splitlines():
                if line.startswith(leave_out) and leave_out:
                    continue
                words = shlex.split(line)
                assert words[0] == "etl"
                said[line] = etl(*words[1:])
                assert said[line].code == 0, f"{line}\n{said[line].out}\n{said[line].err}"
        else:
            assert block.language == "", f"nobody checks this block: {block.text}"
    return said
