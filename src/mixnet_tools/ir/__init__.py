"""What every stage asks of an OpenVINO IR: where it is, what it holds, how it is read and saved."""
