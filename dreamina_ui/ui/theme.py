"""The theme of Gradio's components: colours, type, corners. All other styles are in `assets/css/`."""

import gradio as gr
from gradio.themes.utils import colors, sizes

__all__ = ["studio_theme"]

PETROL = colors.Color(
    name="petrol",
    c50="#eefaf9",
    c100="#d3f2ef",
    c200="#a8e4df",
    c300="#6fcfc9",
    c400="#35b0ab",
    c500="#17928f",
    c600="#0d7575",
    c700="#0c5d5e",
    c800="#0d4a4c",
    c900="#0d3d40",
    c950="#032325",
)
INK = colors.Color(
    name="ink",
    c50="#f7f7f5",
    c100="#eeeeeb",
    c200="#dddcd8",
    c300="#c2c2bd",
    c400="#93948f",
    c500="#696b69",
    c600="#4f5253",
    c700="#3a3d40",
    c800="#23262a",
    c900="#16181c",
    c950="#0d0f12",
)
PIXELS_PER_REM = 16


def _scaling(size: sizes.Size) -> sizes.Size:
    """Gradio's sizes in rem, so that they grow with the font size of the browser."""
    steps = {name: _in_rem(str(getattr(size, name))) for name in ("xxs", "xs", "sm", "md", "lg", "xl", "xxl")}
    return sizes.Size(name=f"{size.name}_rem", **steps)


def _in_rem(pixels: str) -> str:
    return f"{float(pixels.removesuffix('px')) / PIXELS_PER_REM:g}rem"


def studio_theme() -> gr.themes.Base:
    """The theme. It uses system fonts and fetches nothing from another origin, so the page also works offline."""
    theme = gr.themes.Base(
        primary_hue=PETROL,
        secondary_hue=PETROL,
        neutral_hue=INK,
        radius_size=_scaling(sizes.radius_lg),
        spacing_size=_scaling(sizes.spacing_md),
        text_size=_scaling(sizes.text_md),
        font=["ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Consolas", "monospace"],
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_800",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_border_color_focus="*primary_600",
        checkbox_border_color_focus_dark="*primary_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_100",
        button_large_text_weight="600",
    )
