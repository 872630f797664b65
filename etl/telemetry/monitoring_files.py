"""The files for other programs that belong to the metrics: Prometheus' alert rules, Grafana's dashboard.

Belongs here: where these files are read from. Not here: the metrics (`etl.promises.prometheus`), the command
(`etl.cli.metrics`).

The built package has the files beside this module. In a checkout, they are read from `docs`, where the pages of the
documentation link to them, so that there is one copy.
"""

from pathlib import Path

ALERTS, DASHBOARD = "prometheus-alerts.yml", "grafana-dashboard.json"
PACKAGED = Path(__file__).parent / "monitoring"
CHECKOUT = Path(__file__).parents[2] / "docs"


def monitoring_file(name: str) -> str:
    """Return the text of one of these files."""
    folder = PACKAGED if (PACKAGED / name).is_file() else CHECKOUT
    return (folder / name).read_text(encoding="utf-8")
