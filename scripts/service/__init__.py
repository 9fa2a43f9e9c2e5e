"""Starts, watches and stops the service's processes."""
