"""Calls to a server, and what becomes of them."""
