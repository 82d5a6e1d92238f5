"""The contract of Amazon SageMaker for training containers: files under /opt/ml in, a model and metric lines out."""
