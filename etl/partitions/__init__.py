"""How time is cut into partitions, and when something is due: pure functions of calendars and zones."""
