"""What commands print: tables for the terminal, and Markdown for a pull request."""
