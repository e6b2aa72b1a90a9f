"""What tests share: running commands, servers, clusters, models and images."""
