"""What several test modules use: servers, kernels, a browser, sample data."""
