"""Background work below the resources: worker pool, batch progress, row results."""
