"""Files: told by their bytes, examined, given a record, fetched safely and kept."""
