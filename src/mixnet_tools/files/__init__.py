"""Files that every stage writes or names: whole or not at all, locked, hashed, shown without secrets."""
