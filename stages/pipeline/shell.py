"""Other programs, called without a shell."""

import subprocess

import click


def output_of(*command: str) -> str:
    """What a command prints. Raises click.ClickException with what it complains of where it fails."""
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise click.ClickException(f"{' '.join(command)}: {process.stderr.strip() or process.stdout.strip()}")
    return process.stdout.strip()
