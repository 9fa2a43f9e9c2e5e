"""Random faults of machines and their networks: `python -m tests.soak --fleet --seed 7 --minutes 20`."""
