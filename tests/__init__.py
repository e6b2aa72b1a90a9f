"""Tests of mixnet_tools.

``unit`` calls functions, and has the folders of the package. ``integration`` runs the commands as a user does.
``support`` has what tests share: commands, servers, clusters, models and images.
"""
