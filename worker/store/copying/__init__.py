"""From one store to another: the jobs of a data directory in an object store, and the other way round."""
