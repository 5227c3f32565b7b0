"""What writes the pages of the documentation that are made of the package itself."""
