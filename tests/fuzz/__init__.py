"""Fuzzing: every file that comes from somebody else, changed in many ways, must end in a result or a known error.

``make test`` runs a few hundred examples a run, always the same. ``make fuzz`` runs new ones for as long as wanted.
"""
