"""What every manager shares."""
