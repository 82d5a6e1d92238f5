"""Jobs of clients: their limits, their folder on disk, their state, and the queue that has them worked on."""
