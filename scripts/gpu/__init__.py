"""What the check of a GPU (scripts/gpu_check.py) tries, and packs for a machine without a network."""
