"""How a call is refused that goes no further: as JSON, of which programs read the code and Gradio's browser side the detail."""

from starlette.responses import JSONResponse

__all__ = ["refusal"]


def refusal(status: int, code: str, sentence: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": sentence, "detail": sentence}, status)
