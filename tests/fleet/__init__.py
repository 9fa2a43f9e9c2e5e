"""Machines of their own on this one: each has its network, host name, clock, process ids and start of its system."""
