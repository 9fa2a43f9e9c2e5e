"""Search in the names and texts of jobs: a cache beside the index, made and kept from the directories."""
