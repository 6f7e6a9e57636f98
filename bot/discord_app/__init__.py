"""Discord: the bot, on discord.py."""
