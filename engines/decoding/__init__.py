"""The decoding pipeline: windows of all recordings are batched through one model, and results come back in order."""
