"""A WebSocket application: sends each message back behind the user that the proxy named.

    python echo.py 9460
"""

import asyncio
import sys

from websockets.asyncio.server import serve


async def echo(connection):
    user = connection.request.headers.get("X-Forwarded-User", "nobody")
    async for message in connection:
        await connection.send(f"{user}: {message}")


async def main(port):
    async with serve(echo, "127.0.0.1", port) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
