"""The command line of whisper-native.py."""
