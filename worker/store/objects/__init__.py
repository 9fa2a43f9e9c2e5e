"""How an S3-compatible object store keeps what a store promises: whole objects, and conditions on writing them."""
