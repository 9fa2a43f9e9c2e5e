"""One adapter for each engine, and what they share."""
