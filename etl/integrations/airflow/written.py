"""What profiles and learned rules are written to: XCom, which takes little, or a file.

Belongs here: the limit of XCom, and the file. Not here: verdicts, which always fit (`verdicts`).
"""

import json
from pathlib import Path
from typing import Any

from etl.errors import QualityError
from etl.integrations.contract import LARGEST
from etl.quality.whole_file import write_whole


def write_json(place: str, found: dict[str, Any]) -> None:
    """Write plain data into a file, whole or not at all."""
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(found, indent=2))


def fits(found: object, what: str, hint: str) -> None:
    """Refuse what is too large for XCom, which is a row of Airflow's database."""
    size = len(json.dumps(found))
    if size > LARGEST:
        raise QualityError(f"the {what} has {size:,} bytes, and XCom gets at most {LARGEST:,}", hint)
