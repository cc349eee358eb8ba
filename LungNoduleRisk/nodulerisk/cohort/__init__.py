"""Many CTs, each once: a table of nodules in, results in Parquet and a page of what came out."""
