"""What everything stands on: instances, traces, their layout, the registry, files, compilation."""
