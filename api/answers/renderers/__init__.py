"""Files that people open: subtitles, paragraphs of text, tables, Word documents."""
