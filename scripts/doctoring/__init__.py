"""What `whisper-native.py doctor` looks at, a module for each part of the machine."""
