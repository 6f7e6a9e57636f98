"""A small living world in real time: services that get into trouble, and agents that ask to mend them.

Its agents are clients of the HTTP API like anybody's: what they may do is decided by the engine they talk to,
and what people answer has consequences. The services are files in the workspace, so that what a worker does,
or takes back, is what becomes of them.
"""
