"""What every command starts from: global options, shared options, help."""
