"""An app with a field and a button: the least that a Gradio page can be, launched quietly, as ours is."""

import gradio as gr

with gr.Blocks(title="Empty", analytics_enabled=False) as demo:
    gr.Textbox(label="Prompt", elem_id="field-prompt")
    gr.Button("Generate", elem_id="generate")


if __name__ == "__main__":
    _, address, _ = demo.launch(quiet=True, share=False, ssr_mode=False, prevent_thread_lock=True)
    print(f"Empty: {address}", flush=True)  # noqa: T201  how it is found
    demo.block_thread()
