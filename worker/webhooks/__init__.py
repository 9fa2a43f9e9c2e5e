"""Webhooks: a job that has ended and names a URL is announced there, signed, until it is delivered or given up."""
