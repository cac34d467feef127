# Reeldrop in a container: the daemon alone. ComfyUI runs where its GPU is; name it under `backends` in config.yaml.
FROM python:3.12-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/reeldrop
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
COPY workflows ./workflows
COPY models/models.yaml ./models/models.yaml
COPY container/entrypoint.sh container/config.yaml ./container/
RUN pip install --no-cache-dir .

# /data holds everything: config.yaml, inbox, outbox, var, workflows, models. var must be on a local disk.
VOLUME /data
ENV PUID=1000 PGID=1000 UMASK=022
# A server that is away is no reason to restart Reeldrop, so only the daemon's own life is asked for.
HEALTHCHECK --interval=30s --timeout=20s --start-period=120s --retries=3 \
    CMD ["reeldrop", "health", "--live", "--config", "/data/config.yaml"]
ENTRYPOINT ["/opt/reeldrop/container/entrypoint.sh"]
CMD ["run"]
