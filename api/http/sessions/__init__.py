"""Sessions of browsers that are signed in with a key: a signed cookie, and the secret it is signed with."""
