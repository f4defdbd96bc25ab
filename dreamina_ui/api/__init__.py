"""What programs call: the public endpoints, the MCP server, and jobs and errors as JSON."""
