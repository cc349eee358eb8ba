"""The one process that browsers reach: who may come in, and which session what they say goes to."""
