"""Who spoke when, measured: composed meetings, RTTM, error rates, and the diarizer run as the service runs it."""
