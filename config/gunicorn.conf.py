# ruff: noqa: INP001 gunicorn loads this file by its path; the folder is no package
"""For who starts it by hand: `gunicorn -c config/gunicorn.conf.py bot.wsgi:app`.

The settings are the package's own; a line below that sets a name again changes one.
https://docs.gunicorn.org/en/stable/settings.html
"""

from bot.web.gunicorn import *  # noqa: F403
