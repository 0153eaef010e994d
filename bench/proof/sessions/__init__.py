"""What runs in the processes of `prove`: one session each."""
