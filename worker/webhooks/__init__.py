"""Call-backs: a job that has ended and names a URL is told there, signed, until it is taken or given up."""
