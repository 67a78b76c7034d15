# The image of all programs: worker, dispatch, canary and the tools. docs/packages.md describes it.
# `make digests` pins these two to digests (docs/supply.md). They exist for amd64 and arm64.
ARG PYTHON_IMAGE=python:3.11-slim
ARG RUST_IMAGE=rust:1.95-slim

# The wheel with the compiled part. It is built on the builder's own platform for the image's one.
FROM --platform=${BUILDPLATFORM:-linux/amd64} ${RUST_IMAGE} AS wheel
ARG TARGETARCH
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY requirements-packaging.lock ./
RUN python3 -m venv build/packaging \
    && build/packaging/bin/pip install --no-cache-dir --require-hashes -r requirements-packaging.lock
COPY pyproject.toml hatch_build.py README.md LICENSE CHANGELOG.md ./
COPY native ./native
COPY streamproc ./streamproc
COPY tests/__init__.py ./tests/
COPY tests/support/__init__.py ./tests/support/
COPY tests/support/packaging/__init__.py tests/support/packaging/wheels.py ./tests/support/packaging/
RUN case "${TARGETARCH:-$(uname -m)}" in \
        amd64|x86_64) machine=x86_64 ;; \
        arm64|aarch64) machine=aarch64 ;; \
        *) echo "no compiled part for ${TARGETARCH}" >&2; exit 1 ;; \
    esac \
    && build/packaging/bin/python -m tests.support.packaging.wheels "manylinux-${machine}" \
    && mkdir /wheel \
    && cp build/dist/*manylinux*.whl /wheel

# What runs, in a folder of its own: no pip, no tools.
FROM ${PYTHON_IMAGE} AS product
WORKDIR /source
COPY requirements-product.lock ./
RUN python3 -m venv --without-pip /opt/streamproc \
    && python3 -m venv /installer \
    && /installer/bin/pip --python /opt/streamproc/bin/python install --no-cache-dir \
        --require-hashes --only-binary :all: -r requirements-product.lock
COPY --from=wheel /wheel /wheel
RUN /installer/bin/pip --python /opt/streamproc/bin/python install --no-cache-dir --no-deps /wheel/*.whl

# What it is made of, read off what was installed.
FROM product AS sbom
COPY requirements-supply.lock ./
RUN /installer/bin/pip install --no-cache-dir --require-hashes -r requirements-supply.lock \
    && /installer/bin/cyclonedx-py environment --output-reproducible \
        --output-file /sbom.cdx.json /opt/streamproc/bin/python

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="streamproc" \
      org.opencontainers.image.description="Exact quotas and timely usage reminders on Kafka" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      streamproc.sbom="/usr/share/doc/streamproc/sbom.cdx.json"
# Nothing writes into the root: it may be read-only.
ENV PATH=/opt/streamproc/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEALTH_PORT=9464
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* \
        /usr/local/lib/python3*/ensurepip \
    && groupadd --gid 10001 streamproc \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin streamproc \
    && install -d -o 10001 -g 10001 /data
COPY --from=product /opt/streamproc /opt/streamproc
COPY --from=sbom /sbom.cdx.json /usr/share/doc/streamproc/sbom.cdx.json
COPY LICENSE /usr/share/doc/streamproc/
USER 10001:10001
WORKDIR /data
# For programs with --http-port; HEALTH_PORT is that port.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"HEALTH_PORT\"]}/livez', timeout=4)"]
ENTRYPOINT ["streamproc"]
