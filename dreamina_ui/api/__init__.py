"""The studio for programs: endpoints, the job as JSON, MCP."""
