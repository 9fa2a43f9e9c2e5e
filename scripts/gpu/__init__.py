"""What the check of a GPU (scripts/gpu_check.py) tries."""
