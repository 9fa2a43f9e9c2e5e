"""Which models are served, and which are in memory."""
