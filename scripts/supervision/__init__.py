"""What the supervisor goes by: when a dead process is started again, and the signals that wake it."""
