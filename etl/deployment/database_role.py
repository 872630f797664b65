"""The role and the database of Dagster in PostgreSQL, as SQL.

Belongs here: the SQL that makes both. Not here: the tables (`dagster instance migrate` makes them), the copy of the
database in a backup (`postgres`).

Every process of an installation has the password of this role, also a tenant's Python. So the role is no superuser: a
superuser executes programs on the server of the database.
"""

from etl.deployment.shape import Shape


def role_and_database(shape: Shape) -> str:
    """Return the SQL. The password is psql's variable `password`."""
    name, user = shape.database.name, shape.database.user
    return f'CREATE ROLE "{user}" LOGIN PASSWORD :\'password\';\nCREATE DATABASE "{name}" OWNER "{user}";\n'


def first_start_of_container(shape: Shape) -> str:
    """Return what the container of PostgreSQL executes when its folder is empty.

    The administrator has no password afterwards, so it has no login over the network.
    """
    return (
        "-- Executed once, as the administrator `postgres`, when the folder of the database is empty.\n"
        "\\getenv password POSTGRES_PASSWORD\n"
        f"{role_and_database(shape)}"
        "-- Without a password there is no login over the network, only in the container itself.\n"
        "ALTER ROLE postgres PASSWORD NULL;\n"
    )
