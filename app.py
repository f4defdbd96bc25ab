"""Start the studio: `python app.py`."""

import os
import sys

from dotenv import load_dotenv

from dreamina_ui.errors import DreaminaError
from dreamina_ui.settings import Settings


def main() -> str | None:
    load_dotenv()
    try:
        settings = Settings.from_env(os.environ)
        # Gradio takes seconds to import: a bad setting is told before that.
        from dreamina_ui.studio import Studio

        Studio(settings).launch()
    except DreaminaError as error:
        return f"Dreamina UI cannot start: {error}"  # to stderr, with exit code 1
    return None


if __name__ == "__main__":
    sys.exit(main())
