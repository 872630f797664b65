"""What `etl check` found, in the formats that other programs read: JSON, SARIF, JUnit, annotations of GitHub."""
