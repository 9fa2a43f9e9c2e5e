"""Jobs in motion: all that is said to RQ and Redis about them."""
