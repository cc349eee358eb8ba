"""Running the networks: an engine in this process, a worker in a child process, a queue shared by
many."""
