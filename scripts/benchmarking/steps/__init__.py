"""What is measured, one step for each promise."""
