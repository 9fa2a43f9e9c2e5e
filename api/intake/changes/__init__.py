"""What PATCH requests change, as JSON bodies, and what may stand in them."""
