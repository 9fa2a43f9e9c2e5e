"""The server behind the embedded Redis: its program, where it listens, who else serves its files, and those files."""
