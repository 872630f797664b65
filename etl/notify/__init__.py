"""Telling people: who wants to know, what they were told, and how a message gets there."""
