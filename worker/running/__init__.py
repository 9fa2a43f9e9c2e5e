"""The warm worker: one job from its id to its outcome."""
