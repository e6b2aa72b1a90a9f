"""Describes the classifiers of timm: what timm says of them, where the Hub has their weights, what they reach."""
