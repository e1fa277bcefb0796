"""Settings read from files, checked."""
