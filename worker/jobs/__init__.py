"""The job service: submit, look up, cancel, delete; how much may wait."""
