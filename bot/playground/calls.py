"""HTTP calls to the playground's own routes: the way that `client.py` goes."""

import io
import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from bot.playground.errors import NotPossible

Json = dict[str, Any]
Files = Mapping[str, tuple[str, bytes]]  # by option or field name: file name, content


class Calls:
    """Opened before the first call and closed after the last. Raises NotPossible where a person is refused."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._http: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(base_url=self._base)

    async def close(self) -> None:
        if self._http:
            await self._http.close()

    async def post(self, name: str, body: Json, files: Files | None = None) -> Any:
        if not files:
            return await self._answer(self._session.post(f"/playground/{name}", json=body))
        form = aiohttp.FormData()
        form.add_field("payload_json", json.dumps(body), content_type="application/json")
        for option, (filename, data) in files.items():
            form.add_field(
                f"files[{option}]",
                io.BytesIO(data),
                filename=filename,
                content_type="application/octet-stream",
            )
        return await self._answer(self._session.post(f"/playground/{name}", data=form))

    async def get(self, name: str, query: Json) -> Any:
        return await self._answer(self._session.get(f"/playground/{name}", params=query))

    async def download(self, url: str) -> bytes:
        """Raises aiohttp.ClientResponseError where there is nothing (any more)."""
        async with self._session.get(url, raise_for_status=True) as response:
            return await response.read()

    @property
    def _session(self) -> aiohttp.ClientSession:
        if not self._http:
            raise RuntimeError("Use Person as an async context manager.")
        return self._http

    async def _answer(self, request: "aiohttp.client._RequestContextManager") -> Any:
        async with request as response:
            if response.status == 422:
                raise NotPossible((await response.json())["message"])
            response.raise_for_status()
            return await response.json()
