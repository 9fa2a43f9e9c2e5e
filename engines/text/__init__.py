"""Text: tokens into words, words into segments."""
