"""The sample repository: two images, one of them with several stages and targets, and a layer of
random data, so that the table shows what a hit does not fetch."""

from __future__ import annotations

CONFIG = """\
version: 1
images:
  api:
    context: services/api
    target: final
    on:
      push: {{branches: [main], tags: ["v*"], paths: ["services/api/**"]}}
    tags:
      - type=ref,event=branch
      - type=semver,pattern={{{{version}}}}
      - type=semver,pattern={{{{major}}}}.{{{{minor}}}}
      - type=sha
  web:
    context: services/web
    on:
      push: {{branches: [main], tags: ["v*"], paths: ["services/web/**"]}}
"""

API = """\
FROM {base} AS deps
RUN dd if=/dev/urandom of=/dependencies bs=1M count=24
RUN sleep 1 && echo "compiled" > /compiled

FROM {base} AS dev
COPY dev.txt /dev.txt
RUN sleep 5

FROM deps AS final
COPY app.txt /app.txt
CMD ["cat", "/app.txt"]
"""

WEB = """\
FROM {base}
RUN echo "web server" > /server
COPY index.html /index.html
CMD ["cat", "/index.html"]
"""

BROKEN = """\
FROM {base} AS deps
RUN echo "no dependencies any more" > /dependencies

FROM deps AS final
COPY app.txt /app.txt
RUN echo "about to fail" && false
"""

BROKEN_CONFIG = """\
version: 1
images:
  api:
    contxt: services/api
    tags:
      - type=semvr,pattern={{version}}
"""


def first(base: str) -> dict[str, str]:
    """The files of the first push."""
    return {
        ".pushwright.yaml": CONFIG.format(),
        "README.md": "# A sample shop\n",
        "services/api/Dockerfile": API.format(base=base),
        "services/api/app.txt": "hello, first\n",
        "services/api/dev.txt": "for developers\n",
        "services/web/Dockerfile": WEB.format(base=base),
        "services/web/index.html": "<h1>hello</h1>\n",
    }
