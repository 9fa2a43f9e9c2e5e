"""The command whisper-native: a client of the service's HTTP API, which imports nothing of the service."""
