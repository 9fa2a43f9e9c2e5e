"""Many recordings at a time, from their upload to their transcripts, and how that is shown."""
