"""An automation: when a check fails or cannot judge, run the deployment that tells people. Run it once."""

import argparse
from uuid import UUID

from prefect import get_client
from prefect.automations import Automation
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture


def create_automation(deployment: str, key: str = "*") -> UUID:
    """Run a deployment, such as `tell/people`, for each bad verdict of the checks with this key."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
    made = Automation(
        name=f"bad data runs {deployment}",
        trigger=EventTrigger(
            expect={"etl.quality.failed", "etl.quality.error"},
            match={"prefect.resource.id": f"etl.quality.{key}"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=found.id,
                parameters={
                    "what": "{{ event.resource.name }}",
                    "status": "{{ event.payload.status }}",
                    "failed": "{{ event.payload.failed_count }}",
                },
            )
        ],
    ).create()
    return made.id


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deployment", help="flow and deployment, such as tell/people")
    parser.add_argument("--key", default="*", help="key of the checks, such as orders-*; default: all checks")
    arguments = parser.parse_args()
    create_automation(arguments.deployment, arguments.key)
