"""The shipped policies, one file each; each file is the definition of its policy."""
