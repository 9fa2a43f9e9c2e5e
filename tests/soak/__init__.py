"""Random faults under load, for as long as one likes: `python -m tests.soak --seed 7 --minutes 20`."""
