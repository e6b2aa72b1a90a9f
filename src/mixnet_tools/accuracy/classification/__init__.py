"""Classify images that have no labels: the best classes of each, by the launchers and steps of an evaluation."""
