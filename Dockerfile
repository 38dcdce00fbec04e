# The service for a machine with an NVIDIA GPU; without one it runs on the CPU. docs/deploy.md has the command lines.
# No weights inside: those of some models may not be passed on. They come to the volume at the first start.

FROM node:22-bookworm-slim AS page
WORKDIR /page
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund


# torch brings the CUDA libraries it wants; of the image comes what tells the driver which version that is.
FROM nvidia/cuda:13.0.2-base-ubuntu24.04 AS python
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
# DL3008 asks for exact versions: the archive keeps only the newest, so that one pinned today is gone at the next fix.


FROM python AS packages
RUN python3 -m venv /opt/venv
COPY requirements/image.txt requirements/image-da3.txt /requirements/
# Only files whose hash is written there, and nothing that would have to be built with tools from elsewhere.
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: \
    -r /requirements/image.txt -r /requirements/image-da3.txt


FROM python
# `--build-arg USER_ID=0` where the volume belongs to root and nothing can be done about it.
ARG USER_ID=10001
# The volume must exist, and be the user's, before it is one.
RUN install -d -o "${USER_ID}" /cache
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE stream_server.py gsply_helpers.py ./
COPY splatcam splatcam
COPY web web
COPY --from=page /page/node_modules web/node_modules
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/cache \
    USER=splatcam \
    HF_HOME=/cache/huggingface \
    XDG_CACHE_HOME=/cache \
    SPLATCAM_RECORDINGS=/cache/recordings \
    SPLATCAM_HOST=0.0.0.0 \
    SPLATCAM_PORT=8000
USER ${USER_ID}
VOLUME /cache
EXPOSE 8000
# Not just alive: a model that failed for good is worth a restart, a full house is not. A first start may fetch gigabytes.
# Not by urllib: that would ask a proxy which the environment names.
HEALTHCHECK --interval=15s --timeout=5s --start-period=600s --retries=4 \
  CMD ["python", "-c", "import http.client, os, sys; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ[\"SPLATCAM_PORT\"]), timeout=4); \
c.request('GET', '/ping'); sys.exit(c.getresponse().status != 200)"]
# Exec form: Python is process 1 and gets the SIGTERM itself.
ENTRYPOINT ["python", "-m", "splatcam.cli"]
CMD ["serve"]
