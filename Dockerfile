# The bot's image: web, worker and, in build pods, the builder. One image, so that a node pulls one.
# No daemon is in it, and of docker only buildx: Debian 13's is 0.13, which can't push without storing.
FROM docker/buildx-bin:0.37.1 AS buildx

FROM debian:trixie-slim AS system
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git python3 \
 && rm -rf /var/lib/apt/lists/*

FROM system AS packages
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
RUN python3 -m venv /opt/pushwright
COPY requirements.lock /src/
RUN --mount=type=cache,target=/var/cache/pip \
    /opt/pushwright/bin/pip install --cache-dir /var/cache/pip --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY bot /src/bot
RUN /opt/pushwright/bin/pip install --no-deps --no-build-isolation /src

FROM system
COPY --link --from=buildx /buildx /usr/local/bin/docker-buildx
COPY --link --from=packages /opt/pushwright /opt/pushwright
ENV PATH=/opt/pushwright/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /
ENTRYPOINT ["pushwright"]
CMD ["serve"]
