"""Training the open weight set on LIDC-IDRI nodules: plain scripts, run as modules."""
