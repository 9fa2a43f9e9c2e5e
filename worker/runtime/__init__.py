"""What every process of the service shares: logs, its Redis connection, its end."""
