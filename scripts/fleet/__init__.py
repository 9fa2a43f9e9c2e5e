"""A service on several machines: which of its processes run on this one, and how another one is added."""
