"""HTTP around Gradio: who may call, who is calling, files in and out."""
