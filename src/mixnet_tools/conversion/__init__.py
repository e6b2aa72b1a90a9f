"""From a downloaded model to OpenVINO IR: plan, read, convert, compare with the original."""
