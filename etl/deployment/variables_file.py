"""The file of variables of a code server, without values: the operator copies it and writes the values.

Belongs here: its text. Not here: which variables a tenant needs (`variables`).
"""

from etl.deployment.shape import DATABASE_PASSWORD, Service


def variables_example(service: Service) -> str:
    """Return the variables of a code server without their values."""
    required = [each for each in service.variables if each != DATABASE_PASSWORD]
    lines = [
        f"# The variables of {', '.join(service.tenants)}. Copy this file to {service.name}.env, and write the values."
    ]
    lines += [f"{each}=" for each in required]
    lines += secret_files(service)
    lines += [] if required or service.secret_folders else ["# Nothing is needed."]
    lines += ["", "# These have defaults.", *(f"# {each}=" for each in service.optional)] if service.optional else []
    return "\n".join([*lines, ""])


def secret_files(service: Service) -> list[str]:
    """Return comments that name the files of secrets, which are no variables."""
    return [
        f"# The secrets of {each.tenant} are files in {each.source}: {', '.join(each.names)}."
        for each in service.secret_folders
    ]
