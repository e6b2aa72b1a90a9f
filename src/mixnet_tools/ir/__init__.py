"""OpenVINO IR on disk: found, described, saved."""
