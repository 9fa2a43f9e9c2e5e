"""Which jobs there are, by owner and state: a cache of the directories, which may be deleted at any time."""
