"""A server's jobs as tools of an agent, by the Model Context Protocol."""
