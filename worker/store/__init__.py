"""Jobs on disk: the truth."""
