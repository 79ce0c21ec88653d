# The training image: Keras, TensorFlow and `python -m workers`; no Optuna, SQLAlchemy or database password.
#
#   sh docker/build.sh worker cpu registry/team/tuner-worker:0.1.0 --push      flavours: cpu gpu plain jax torch
#
# `plain` has neither TensorFlow nor Keras: for other objectives. Your own code goes on top (docker/example).
# Behind a proxy with its own certificates or package index, as secrets that reach no layer:
#   --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt --secret id=pip,src=$HOME/.config/pip/pip.conf
#
# Not TensorFlow's own GPU image: those of 2.18 and later carry a cuDNN that is too old, and train on the
# CPU without a word. Everything that computes comes from the lock instead.

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
ARG LOCK=requirements-worker-cpu.lock
COPY ${LOCK} ./
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip \
    sh docker/pip.sh /app install --require-hashes --only-binary=:all: -r "${LOCK}"
COPY README.md LICENSE ./
COPY search_spaces search_spaces
COPY workers workers
COPY tuner tuner
# A user's own modules: what is copied to /app/code is found by every trial.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /dist . \
 && sh docker/pip.sh /app install --no-deps --no-index /dist/*.whl \
 && mkdir /app/code \
 && /app/bin/python3 -c "import sysconfig as s; open(s.get_path('purelib') + '/own-code.pth', 'w').write('/app/code\n')"

FROM ${BASE_IMAGE}
ARG LOCK=requirements-worker-cpu.lock
COPY --from=build /app /app
RUN --mount=type=bind,source=docker/harden.sh,target=/run/harden.sh \
    sh /run/harden.sh \
 # TensorFlow's own search path leaves out some of the CUDA libraries that pip installs.
 && { find /app -type d -path '*/nvidia/*/lib' >/etc/ld.so.conf.d/tuner-cuda.conf && ldconfig; } \
 && useradd --uid 10001 --create-home tuner \
 && install -d -o 10001 -g 10001 -m 2775 /data /data/logs /data/checkpoints

ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TUNER_HOME=/tmp/tuner \
    TUNER_LOG_ROOT=/data/logs \
    TUNER_CHECKPOINT_ROOT=/data/checkpoints

# What docker/build.sh states; the build stops where it is not true.
ARG BASE_IMAGE
ARG VERSION=
ARG REVISION=
ARG LOCK_SHA256=
RUN --mount=type=bind,target=/run/source \
    python3 /run/source/docker/facts.py --lock "/run/source/${LOCK}" --revision "${REVISION}" \
        --stated-version "${VERSION}" --stated-lock "${LOCK_SHA256}" --to /app/image.json
LABEL org.opencontainers.image.title="Tuner worker" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      dev.tuner.lock="${LOCK_SHA256}"

USER 10001:10001
WORKDIR /tmp
# SIGTERM lets the trial checkpoint before its worker leaves.
STOPSIGNAL SIGTERM
# A worker that imports TensorFlow is starting for a minute on a slow machine.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "-m", "workers", "health", "--control", "/tmp/fleet.json"]
# The first process hands signals on and takes in what has lost its parent (docs/decisions.md).
ENTRYPOINT ["dumb-init", "--single-child", "--", "python3", "-m", "workers"]
CMD ["fleet", "--count", "1", "--control", "/tmp/fleet.json"]
