"""Model Context Protocol: the tools of any server are governed, for whatever agent.

Needs the extra `mcp`, whose SDK is imported only when the proxy runs.
"""
