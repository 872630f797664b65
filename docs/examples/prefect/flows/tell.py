"""What the automation runs: a place for a message to people."""

from prefect import flow, get_run_logger


@flow
def tell(what: str, status: str, failed: str) -> str:
    """Write the message to the log."""
    message = f"the check of {what} says {status}: {failed} rules failed"
    get_run_logger().error(message)
    return message
