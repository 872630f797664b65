"""The quality core inside Airflow."""
