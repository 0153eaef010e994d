"""How a command line runs: errors become sentences, signals end its children, and exit statuses say what happened."""
