"""What people run. No other floor imports from here."""
