"""The framework of commands: declaration, help, context, errors and exit codes."""
