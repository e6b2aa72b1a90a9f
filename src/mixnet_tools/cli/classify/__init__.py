"""mixnet-classify: its options, and how answers are shown."""
