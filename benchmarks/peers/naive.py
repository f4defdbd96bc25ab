"""The app one writes from Gradio's documentation: a generator that submits, sleeps, asks again, and yields the video.

Kind to itself in one thing: its event is not limited to one visitor at a time, as Gradio's default is, but by Gradio's
threads alone, which are 40.
"""

import os
import tempfile
import time
from collections.abc import Iterator

import gradio as gr
import httpx

BASE = os.environ["RUNCOMFY_MODEL_API_BASE"]
HEADERS = {"Authorization": f"Bearer {os.environ['RUNCOMFY_API_TOKEN']}"}
MODEL = "bytedance/dreamina-3-0/pro/text-to-video"


def generate(prompt: str, aspect_ratio: str, frames: int, seed: float) -> Iterator[tuple[str, str | None]]:
    body = {"prompt": prompt, "aspect_ratio": aspect_ratio, "frames": frames, "seed": int(seed)}
    with httpx.Client(headers=HEADERS, timeout=30, trust_env=False) as client:
        job = client.post(f"{BASE}/models/{MODEL}", json=body).raise_for_status().json()
        status = "in_queue"
        while status in ("in_queue", "in_progress"):
            yield status, None
            time.sleep(2)
            status = client.get(job["status_url"]).raise_for_status().json()["status"]
        result = client.get(job["result_url"]).raise_for_status().json()
        video = client.get(result["output"]["video"]).raise_for_status().content
    with tempfile.NamedTemporaryFile(suffix=".mp4", delete=False) as file:
        file.write(video)
    yield result["status"], file.name


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
    demo.launch()
