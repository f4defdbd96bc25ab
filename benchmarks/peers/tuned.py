"""The same app by somebody who has read on: async, one shared client, no limits, many threads."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator

import gradio as gr
import httpx

BASE = os.environ["RUNCOMFY_MODEL_API_BASE"]
HEADERS = {"Authorization": f"Bearer {os.environ['RUNCOMFY_API_TOKEN']}"}
MODEL = "bytedance/dreamina-3-0/pro/text-to-video"
CLIENT = httpx.AsyncClient(
    headers=HEADERS,
    timeout=60,
    trust_env=False,
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
)


async def generate(prompt: str, aspect_ratio: str, frames: int, seed: float) -> AsyncIterator[tuple[str, str | None]]:
    body = {"prompt": prompt, "aspect_ratio": aspect_ratio, "frames": frames, "seed": int(seed)}
    job = (await CLIENT.post(f"{BASE}/models/{MODEL}", json=body)).raise_for_status().json()
    status = "in_queue"
    while status in ("in_queue", "in_progress"):
        yield status, None
        await asyncio.sleep(2)
        status = (await CLIENT.get(job["status_url"])).raise_for_status().json()["status"]
    result = (await CLIENT.get(job["result_url"])).raise_for_status().json()
    video = (await CLIENT.get(result["output"]["video"])).raise_for_status().content
    yield result["status"], await asyncio.to_thread(kept, video)


def kept(video: bytes) -> str:
    with tempfile.NamedTemporaryFile(suffix=".mp4", delete=False) as file:
        file.write(video)
    return file.name


with gr.Blocks(title="Text to video") as demo:
    inputs = [
        gr.Textbox(label="Prompt", elem_id="field-prompt"),
        gr.Dropdown(["1920×1088(16:9)", "1440×1440(1:1)"], value="1920×1088(16:9)", label="Aspect ratio"),
        gr.Radio([121, 241], value=121, label="Frames"),
        gr.Number(-1, label="Seed"),
    ]
    button = gr.Button("Generate", elem_id="generate")
    outputs = [gr.Textbox(label="Status"), gr.Video(label="Video")]
    button.click(generate, inputs, outputs, concurrency_limit=None)


if __name__ == "__main__":
    demo.queue(default_concurrency_limit=None).launch(max_threads=2000)
