"""A run under way, from other processes: ``server`` and ``client`` carry requests to it, as ``protocol`` says."""
