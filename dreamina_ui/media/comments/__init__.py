"""The comments of files, read and written by bytes: what a record goes into."""
