"""The numbers of the users that services run as in containers, which have no names of users.

Belongs here: a number for each user. Not here: the users of a host, which have names (`systemd`).
"""

import zlib

from etl.deployment.shape import Shape

SHARED_GROUP = 10000
"""The group that may read what runs print, and the lock files of runs: the web server and the daemon."""
_FIRST, _COUNT = 10001, 49999


def user_ids(shape: Shape) -> dict[str, int]:
    """Return the number of each service's user, by the service's name.

    A number follows from the user's name, so that it stays the same when tenants come and go: the files of a service
    belong to its number. If two names have the same number, the later one in the alphabet takes the next free number.
    """
    taken: dict[int, str] = {}
    for service in sorted(shape.services, key=lambda each: each.user):
        number = zlib.crc32(service.user.encode()) % _COUNT
        while _FIRST + number in taken:
            number = (number + 1) % _COUNT
        taken[_FIRST + number] = service.name
    return {name: number for number, name in taken.items()}
