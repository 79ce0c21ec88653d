# The coordinator image: API, coordinator, command line and TensorBoard; no TensorFlow.
#
#   docker build -f docker/coordinator.Dockerfile -t tuner-coordinator .
#
# For a proxy's certificates or package index see docker/worker.Dockerfile.

ARG BASE_IMAGE=python:3.12.14-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY docker/requirements-build.lock docker/pip.sh docker/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip \
    python3 -m venv /build \
 && sh docker/pip.sh /build install --require-hashes --only-binary=:all: -r docker/requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY search_spaces search_spaces
COPY workers workers
COPY tuner tuner
RUN /build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /dist .

FROM ${BASE_IMAGE}
COPY docker/pip.sh requirements-server.lock /tmp/build/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip \
    python3 -m venv /app \
 && sh /tmp/build/pip.sh /app install --require-hashes --only-binary=:all: -r /tmp/build/requirements-server.lock \
 && rm -r /tmp/build
COPY --from=build /dist /dist
RUN /app/bin/pip install --no-deps --no-index /dist/*.whl \
 && useradd --uid 10001 --create-home tuner \
 && install -d -o 10001 -g 10001 -m 2775 /data /data/logs /data/checkpoints \
 && install -d -o 10001 -g 10001 -m 700 /var/lib/tuner

ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TUNER_HOME=/var/lib/tuner \
    TUNER_LOG_ROOT=/data/logs \
    TUNER_CHECKPOINT_ROOT=/data/checkpoints
USER 10001:10001
WORKDIR /var/lib/tuner
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["tuner"]
# Plain http: the network of the containers is their own, and what is published from it is behind a proxy.
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--behind-proxy"]
