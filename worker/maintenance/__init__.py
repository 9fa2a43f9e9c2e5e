"""Keeps the store and the queues in step, and removes what is due."""
