"""Other servers' APIs: each a translator over the jobs that there are."""
