"""The quality core inside hand-written code of an orchestrator: one folder for each orchestrator."""
