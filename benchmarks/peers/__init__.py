"""The apps beside which ours is measured, as a reader of Gradio's documentation writes them. They import nothing of ours."""
