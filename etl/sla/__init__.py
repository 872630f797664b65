"""The service level API for hand-written code: thresholds, measurements, a monitor and its hooks."""
