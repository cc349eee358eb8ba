"""Many CTs, each once: a table of nodules in, results in Parquet and a summary page out."""
