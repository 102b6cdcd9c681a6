"""Fine-tuning: runs, the training worker, the models that can be tuned."""
