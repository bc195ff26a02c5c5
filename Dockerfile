# The bot's image: web, worker and, in build pods, the builder. One image, so that a node pulls one.
# Debian's packages bring git, the docker client and buildx; no daemon is in it.
FROM debian:trixie-slim AS system
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates docker-buildx docker-cli git python3 \
 && rm -rf /var/lib/apt/lists/*

FROM system AS packages
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
RUN python3 -m venv /opt/pushwright
COPY requirements.lock /src/
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/pushwright/bin/pip install --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY bot /src/bot
RUN /opt/pushwright/bin/pip install --no-deps --no-build-isolation /src

FROM system
COPY --link --from=packages /opt/pushwright /opt/pushwright
ENV PATH=/opt/pushwright/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /
ENTRYPOINT ["pushwright"]
CMD ["serve"]
