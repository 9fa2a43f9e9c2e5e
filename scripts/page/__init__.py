"""What the page does with a very long transcript, measured in a browser."""
