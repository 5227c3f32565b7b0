"""What a router does: profiles of expert use, drift, the value of a profile, behaviour."""
