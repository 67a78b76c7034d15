# `make digests` pins it to a digest (docs/supply.md).
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app

# Dependencies first: this layer changes only with the lock file.
COPY requirements-product.lock ./
RUN pip install --require-hashes -r requirements-product.lock

COPY pyproject.toml README.md LICENSE ./
COPY streamproc ./streamproc
RUN pip install --no-deps .

# The program does not run as root; /data is where it may write.
RUN useradd --create-home --uid 10001 streamproc \
    && install -d -o streamproc -g streamproc /data
USER streamproc
WORKDIR /data

ENTRYPOINT ["streamproc"]
