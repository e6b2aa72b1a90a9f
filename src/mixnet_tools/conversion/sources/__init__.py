"""The kinds of source model, and how OpenVINO reads each."""
