"""Training: settings and run folders, which need no PyTorch, and the loop with its data and callbacks, which does."""
