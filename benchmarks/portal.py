"""The pages of many tenants: `--tenants 100 --pipelines 3 --days 60`.

A past is written into a fresh SQLite instance and a lake. The pages are built twice: at first, when the tenants'
excerpts of the event log are made too, and again. Beside them stands what the same pages cost to render alone.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from etl.portal.build import build_operator, build_pages
from etl.portal.gather import Gathering
from etl.portal.render import html_of
from tests.running.past import write_past
from tests.running.promised_world import make_config, make_instance, make_settings, publish

NOW = datetime(2026, 6, 30, 8, 0, tzinfo=UTC)
SLA = {"freshness": {"deadline": "0 9 * * *", "max_age_hours": 30}, "max_failure_rate": 0.1, "min_row_count": 1}
RULES = {"engine": "polars", "rules": [{"column": "id", "type": "not_null"}, {"column": "id", "type": "unique"}]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--pipelines", type=int, default=3)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    found = measure(arguments.tenants, arguments.pipelines, arguments.days)
    print(json.dumps(found, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=2) + "\n")


def measure(tenants: int, pipelines: int, days: int) -> dict[str, float]:
    names = [f"pipeline_{number}" for number in range(pipelines)]
    start = (NOW - timedelta(days=days)).date().isoformat()
    said = {"date_column": "day", "partitions": {"start": start}, "sla": SLA, "quality": RULES}
    configs = {f"tenant_{n}": make_config(f"tenant_{n}", dict.fromkeys(names, said)) for n in range(tenants)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        instance, settings = make_instance(folder / "dagster"), make_settings(folder)
        events = sum(write_past(instance, each, names, days, NOW) for each in configs)
        for back in range(1, days + 1):
            publish(settings, "tenant_0", names[0], (NOW - timedelta(days=back)).date().isoformat())
        first = settings.lake_dir / "tenant_0" / "extract" / names[0]
        for place in (settings.lake_dir / tenant / "extract" / pipeline for tenant in configs for pipeline in names):
            if place != first:
                shutil.copytree(first, place)
        rows: dict[str, float] = {"tenants": tenants, "pipelines": pipelines, "days": days, "events": events}
        for which in ("first", "again"):
            began = (time.perf_counter(), time.process_time())
            built = build_pages(Gathering(settings, instance, NOW, configs, budget=600), folder / "out")
            build_operator(folder / "out", list(configs), NOW)
            rows[f"{which} wall s"] = round(time.perf_counter() - began[0], 2)
            rows[f"{which} cpu s"] = round(time.process_time() - began[1], 2)
            if len(built.pages) != tenants:
                sys.exit(f"only {len(built.pages)} pages")
        pages = list(Gathering(settings, instance, NOW, configs, budget=600).pages())
        at = time.process_time()
        sizes = [len(html_of(each)) for each in pages]
        rows["render cpu s"] = round(time.process_time() - at, 2)
        rows["bytes of a page"] = round(sum(sizes) / len(sizes))
        rows["good"] = sum(each.level in ("good", "notice") for each in pages)
        instance.dispose()
    return rows


if __name__ == "__main__":
    main()
