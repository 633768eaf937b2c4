"""What benches measure on, made by the million."""
