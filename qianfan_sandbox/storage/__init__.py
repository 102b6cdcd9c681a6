"""Object storage, and the files of batches."""
