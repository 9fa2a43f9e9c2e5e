"""How a data directory keeps what a store promises: names, links, locks and syncs of its file system."""
