# The coordinator image: API, coordinator, command line and TensorBoard; no TensorFlow.
#
#   sh docker/build.sh coordinator registry/team/tuner-coordinator:0.1.0 --push
#
# For a proxy's certificates or package index see docker/worker.Dockerfile.

# docker/pins.toml has it; `make pins` writes it here.
ARG BASE_IMAGE=python:3.12.14-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY docker/check-base.sh docker/pip.sh docker/requirements-build.lock docker/requirements-init.lock docker/
COPY pyproject.toml ./
RUN sh docker/check-base.sh
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip \
    python3 -m venv /build \
 && python3 -m venv --without-pip /app \
 && sh docker/pip.sh /build install --require-hashes --only-binary=:all: -r docker/requirements-build.lock \
 && sh docker/pip.sh /app install --require-hashes --only-binary=:all: -r docker/requirements-init.lock
COPY requirements-server.lock ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip \
    sh docker/pip.sh /app install --require-hashes --only-binary=:all: -r requirements-server.lock
COPY README.md LICENSE ./
COPY search_spaces search_spaces
COPY workers workers
COPY tuner tuner
RUN /build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /dist . \
 && sh docker/pip.sh /app install --no-deps --no-index /dist/*.whl

FROM ${BASE_IMAGE}
COPY --from=build /app /app
RUN --mount=type=bind,source=docker/harden.sh,target=/run/harden.sh \
    sh /run/harden.sh \
 && useradd --uid 10001 --create-home tuner \
 && install -d -o 10001 -g 10001 -m 2775 /data /data/logs /data/checkpoints \
 && install -d -o 10001 -g 10001 -m 700 /var/lib/tuner

ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TUNER_HOME=/var/lib/tuner \
    TUNER_LOG_ROOT=/data/logs \
    TUNER_CHECKPOINT_ROOT=/data/checkpoints

# What docker/build.sh states; the build stops where it is not true.
ARG BASE_IMAGE
ARG VERSION=
ARG REVISION=
ARG LOCK_SHA256=
RUN --mount=type=bind,target=/run/source \
    python3 /run/source/docker/facts.py --lock /run/source/requirements-server.lock --revision "${REVISION}" \
        --stated-version "${VERSION}" --stated-lock "${LOCK_SHA256}" --to /app/image.json
LABEL org.opencontainers.image.title="Tuner coordinator" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      dev.tuner.lock="${LOCK_SHA256}"

USER 10001:10001
WORKDIR /var/lib/tuner
EXPOSE 8080
STOPSIGNAL SIGTERM
# Of `tuner serve`; a service that runs another command says how it is healthy itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["dumb-init", "--single-child", "--", "tuner"]
# Plain http: the network of the containers is their own, and what is published from it is behind a proxy.
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--behind-proxy"]
