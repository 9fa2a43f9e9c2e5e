"""Sound: a file as samples, where somebody speaks, and windows of speech."""
