"""The kinds that an asset may have: names of technologies, never of tiers.

Belongs here: the default list. Not here: how the list is enforced (`check`).
"""

# fmt: off
ALLOWED_KINDS: tuple[str, ...] = (
    "airbyte", "airflow", "airliftmapped", "airtable", "athena", "atlan", "aws", "awsstepfunction",
    "awsstepfunctions", "axioma", "azure", "azureml", "bigquery", "cassandra", "catboost", "celery", "census",
    "chalk", "clickhouse", "cockroachdb", "collibra", "cplus", "cplusplus", "csharp", "cube", "dask",
    "databricks", "datadog", "datahub", "db2", "dbt", "dbtcloud", "deepseek", "deltalake", "denodo", "dify",
    "dingtalk", "discord", "dlt", "dlthub", "docker", "doris", "doubao", "druid", "duckdb", "elasticsearch",
    "evidence", "excel", "facebook", "fivetran", "flink", "gcp", "gcs", "gemini", "github", "gitlab", "go",
    "google", "googlecloud", "googledrive", "googlesheets", "grafana", "graphql", "greatexpectations",
    "hackernews", "hackernewsapi", "hadoop", "hashicorp", "hex", "hightouch", "hudi", "huggingface",
    "huggingfaceapi", "iceberg", "icechunk", "impala", "instagram", "ipynb", "java", "javascript", "json",
    "jupyter", "k8s", "kafka", "kedro", "kubernetes", "lakefs", "lightgbm", "linear", "linkedin", "llama",
    "looker", "mariadb", "matplotlib", "meltano", "meta", "metabase", "microsoft", "minio", "mistral", "mlflow",
    "modal", "mongodb", "montecarlo", "mysql", "net", "notdiamond", "noteable", "notion", "numpy", "omni",
    "openai", "openmetadata", "optuna", "oracle", "pagerduty", "pandas", "pandera", "papermill", "papertrail",
    "parquet", "pinot", "plotly", "plural", "polars", "postgres", "postgresql", "powerbi", "prefect", "presto",
    "pulsar", "pydantic", "pyspark", "python", "pytorch", "pytorchlightning", "qwen", "r", "r2", "rabbitmq",
    "ray", "react", "reddit", "redis", "redpanda", "redshift", "rockset", "rust", "s3", "sagemaker",
    "salesforce", "scala", "scikitlearn", "scipy", "scylladb", "sdf", "secoda", "segment", "sharepoint",
    "shell", "shopify", "sigma", "slack", "sling", "snowflake", "snowpark", "soda", "spanner", "spark", "sql",
    "sqlite", "sqlmesh", "sqlserver", "starrocks", "stepfunction", "stepfunctions", "stitch", "stripe",
    "supabase", "superset", "tableau", "talend", "teams", "tecton", "tensorflow", "teradata", "thoughtspot",
    "tiktok", "toml", "treasuredata", "trino", "twilio", "twitter", "typescript", "vercel", "volcengine",
    "wandb", "weaviate", "wechat", "x", "xgboost", "youtube", "dag", "task", "table", "view", "dataset",
    "semanticmodel", "source", "seed", "file", "dashboard", "report", "notebook", "workbook", "csv",
)
# fmt: on
