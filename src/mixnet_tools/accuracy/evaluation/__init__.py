"""Measures models on labelled images: what to measure, the loop over batches, and the collector of the answers."""
