"""A run without ngen: hour by hour in ngen's order, or many hours at once; alone or in several processes."""
