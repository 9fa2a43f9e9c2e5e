"""Speech to text and nothing else: no Redis, no HTTP, no environment variables."""
