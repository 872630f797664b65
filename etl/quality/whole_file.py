"""Writes a file in one step: a reader sees the old file or the new one, and two writers at once do not mix.

Belongs here: the step. Not here: what is written.
"""

import os
from pathlib import Path
from uuid import uuid4


def write_whole(path: Path, text: str) -> None:
    """Write a text beside its place, and give it its name when it is on the disk."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
