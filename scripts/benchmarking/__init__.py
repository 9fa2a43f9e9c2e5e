"""The parts of `scripts/benchmark_whisper.py`, and what the other measuring scripts share with it."""
