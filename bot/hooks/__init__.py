"""Hooks of coding agents: each tool call is proposed before it runs, and answered in the agent's own words.

An agent waits for a hook, and takes what it does not understand for consent. So nothing here imports what
takes long, and whatever goes wrong ends in a refusal.
"""
