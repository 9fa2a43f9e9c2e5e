"""Answers that grow: job events and transcripts as they come."""
