"""Divides time into partitions, and finds the moments of deadlines, with pure functions of calendars and zones."""
