"""The quality core inside Prefect."""
