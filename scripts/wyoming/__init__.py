"""Home Assistant's protocol for voice, translated into calls of our HTTP."""
