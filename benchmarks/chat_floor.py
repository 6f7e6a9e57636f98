"""The barest bots: they take notice of everything and do nothing. What they take is the platform's share.

python -m benchmarks.chat_floor slack API_URL APP_TOKEN
python -m benchmarks.chat_floor discord API_URL GATEWAY_URL TOKEN
"""

import asyncio
import json
import sys

import aiohttp


async def on_slack(api: str, token: str) -> None:
    """Acknowledge every envelope of Socket Mode, for ever."""
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(f"{api.rstrip('/')}/apps.connections.open", headers=headers) as opened:
            url = (await opened.json())["url"]
        async with session.ws_connect(url) as socket:
            async for frame in socket:
                said = json.loads(frame.data)
                if "envelope_id" in said:
                    await socket.send_str(json.dumps({"envelope_id": said["envelope_id"]}))


async def on_discord(api: str, gateway: str, token: str) -> None:
    """Defer every interaction, for ever."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        calls: set[asyncio.Task[None]] = set()

        async def defer(said: dict[str, str]) -> None:
            body = {"type": 5, "data": {"flags": 64}}
            url = f"{api.rstrip('/')}/interactions/{said['id']}/{said['token']}/callback"
            async with session.post(url, json=body) as answer:
                await answer.read()

        async with session.ws_connect(f"{gateway}?v=10&encoding=json") as socket:
            properties = {"os": "linux", "browser": "floor", "device": "floor"}
            identity = {"token": token, "intents": 1, "properties": properties}
            await socket.send_str(json.dumps({"op": 2, "d": identity}))
            async for frame in socket:
                said = json.loads(frame.data)
                if said.get("t") == "INTERACTION_CREATE":
                    task = asyncio.create_task(defer(said["d"]))
                    calls.add(task)
                    task.add_done_callback(calls.discard)


if __name__ == "__main__":
    platform, *given = sys.argv[1:]
    asyncio.run(on_slack(*given) if platform == "slack" else on_discord(*given))
