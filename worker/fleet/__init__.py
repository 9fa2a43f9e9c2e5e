"""What processes on several machines must agree on: who each of them is, what time it is, which store they serve."""
