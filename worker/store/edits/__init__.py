"""What people change in a transcript, beside the machine's, which stays as it was."""
