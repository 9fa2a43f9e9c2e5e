"""What processors and GPUs there are, and what they lack."""
