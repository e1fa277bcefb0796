"""What NGIAB puts into a run folder: realization, hydrofabric, forcing, units; read and written."""
