"""Looks at everything the service needs and says what to do about what is missing."""
