"""What people run. Nothing imports from here."""
