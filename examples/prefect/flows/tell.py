"""What the automation runs: a place for a message to people."""

from prefect import flow, get_run_logger


@flow
def tell(what: str, status: str, failed: int) -> str:
    """Write the message to the log. Prefect fills in a number as a number: `failed: str` would refuse every run."""
    message = f"the check of {what} says {status}: {failed} rules failed"
    get_run_logger().error(message)
    return message
