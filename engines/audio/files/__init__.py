"""What a recording's own bytes say, read without FFmpeg: lengths, ends, and where one recording follows another."""
