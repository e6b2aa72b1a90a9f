"""What several commands share: options, printing, threads, interruption."""
