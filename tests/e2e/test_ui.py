"""Dagster's UI in a real browser: what a person sees of a tenant's checks, and that the pictures can be taken."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.e2e.conftest import Demo
from tests.installation import REPOSITORY
from tests.servers import missing

pytestmark = [pytest.mark.xdist_group("project"), pytest.mark.timeout(900)]

RULES = {
    "not_null__lot_id": "passed",
    "unique__lot_id_process_step": "passed",
    "regex__lot_id": "failed",
    "in_set__process_step": "passed",
    "in_set__status": "passed",
}


def load_script() -> ModuleType:
    path = REPOSITORY / "scripts" / "screenshots.py"
    spec = importlib.util.spec_from_file_location("screenshots", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
