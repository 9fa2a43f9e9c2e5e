"""A file's sound, step by step: open, choose a track, decode, place on the clock, condition, mix, resample."""
