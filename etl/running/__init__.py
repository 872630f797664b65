"""What happens while Dagster runs: a step, a launch, the process of a run, a look of a sensor."""
