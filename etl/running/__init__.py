"""The code that Dagster executes at run time: a step, a launch, the process of a run, a tick of a sensor."""
