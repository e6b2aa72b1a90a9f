"""What is understood of the command lines of Open Model Zoo's tools."""
