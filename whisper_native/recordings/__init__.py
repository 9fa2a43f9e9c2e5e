"""Recordings on the user's disk, and the files that are made of them."""
