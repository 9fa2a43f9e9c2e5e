"""The parts of `scripts/measure_line.py`."""
