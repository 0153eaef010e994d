"""What was measured: lines of JSON, stored and compared."""
