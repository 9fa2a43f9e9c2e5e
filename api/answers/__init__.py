"""What clients get back: formats, recordings, and the wait for a job's end."""
