"""The line: windows of all recordings through one model, and their results in order."""
