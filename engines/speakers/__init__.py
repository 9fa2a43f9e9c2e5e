"""Who speaks when: windows in, pieces of voices out; at the end of a recording, speakers."""
