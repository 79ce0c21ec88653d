# The training image: TensorFlow, Keras and `python -m workers`; no Optuna, SQLAlchemy or database password.
#
#   docker build -f docker/worker.Dockerfile -t tuner-worker .
#   docker build -f docker/worker.Dockerfile --build-arg LOCK=requirements-worker-gpu.lock -t tuner-worker-gpu .
#
# Behind a proxy with its own certificates or package index, as secrets that reach no layer:
#   --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt --secret id=pip,src=$HOME/.config/pip/pip.conf
#
# Not TensorFlow's own GPU image: those of 2.18 and later carry a cuDNN that is too old, and train on the
# CPU without a word. Everything that computes comes from the lock instead.

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
ARG LOCK=requirements-worker-cpu.lock
COPY docker/pip.sh ${LOCK} /tmp/build/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip \
    python3 -m venv /app \
 && sh /tmp/build/pip.sh /app install --require-hashes --only-binary=:all: -r "/tmp/build/${LOCK}" \
 # TensorFlow's own search path leaves out some of the CUDA libraries that pip installs.
 && { find /app -type d -path '*/nvidia/*/lib' >/etc/ld.so.conf.d/tuner-cuda.conf && ldconfig; } \
 && rm -r /tmp/build
COPY --from=build /dist /dist
RUN /app/bin/pip install --no-deps --no-index /dist/*.whl \
 && useradd --uid 10001 --create-home tuner \
 && install -d -o 10001 -g 10001 -m 2775 /data /data/logs /data/checkpoints

ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TUNER_HOME=/tmp/tuner \
    TUNER_LOG_ROOT=/data/logs \
    TUNER_CHECKPOINT_ROOT=/data/checkpoints
USER 10001:10001
WORKDIR /tmp
# Children are reaped by the fleet's own supervisor; SIGTERM lets the trial checkpoint before it leaves.
STOPSIGNAL SIGTERM
ENTRYPOINT ["python3", "-m", "workers"]
CMD ["fleet", "--count", "1", "--control", "/tmp/fleet.json"]
