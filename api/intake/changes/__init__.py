"""What requests without a recording want changed: their bodies, and what may stand in them."""
