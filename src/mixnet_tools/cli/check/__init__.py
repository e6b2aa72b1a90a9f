"""mixnet-check: its options, the way from what was found to an evaluation, and what is done with the results."""
