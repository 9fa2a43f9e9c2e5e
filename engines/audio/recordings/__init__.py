"""Recordings as windows of speech: read in this process, or in one beside it."""
