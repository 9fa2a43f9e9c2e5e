"""Who may speak in a recording: how many, and the known ones with their names and references."""
