"""On the path of a program under test: everything that any library logs, down to DEBUG, goes to its stderr."""

import logging

logging.basicConfig(level=logging.DEBUG, format="%(name)s %(levelname)s %(message)s")
