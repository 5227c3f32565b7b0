"""The special loop of similar-rounds."""
