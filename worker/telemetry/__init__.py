"""What the processes count and say of themselves, and how it comes to the one place that is asked for it."""
