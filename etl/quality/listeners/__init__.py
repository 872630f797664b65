"""What can be done with the events of checks: one file for each listener.

Belongs here: listeners for a log, for Prometheus and for OpenTelemetry. Not here: the events (`etl.quality.events`).
A listener's library is imported when the listener is made.
"""
