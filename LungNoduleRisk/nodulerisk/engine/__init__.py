"""What runs the networks: an engine here, a worker in a child process, a queue shared by many."""
