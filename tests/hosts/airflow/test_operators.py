import polars as pl
from tests.hosts.airflow.servers import Airflow


def test_thin(airflow: Airflow) -> None:
    pl.DataFrame({"user_id": [1, 2], "email": ["a@b.de", None]}).write_parquet(airflow.home / "data/users.parquet")
    pl.DataFrame({"user_id": [1, 1, None], "email": ["a@b.de", "x", None]}).write_parquet(
        airflow.home / "data/users_twice.parquet"
    )
    run = airflow.trigger("verdicts")
    state = airflow.ended("verdicts", run)
    print(state, airflow.tasks("verdicts", run))
    print(airflow.xcom("verdicts", run, "passes"))
    print(airflow.xcom("verdicts", run, "fails"))
