"""Sending messages to people: who gets which message, which messages were sent, and how a message is sent."""
