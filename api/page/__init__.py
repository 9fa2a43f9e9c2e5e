"""The page for people: its files, and signing in with a key."""
