"""What every stage stands on: params, tables and their contracts, files, commands."""
