# The job in an image: what it needs to run, locked, the packages, and a user without rights.
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements-image.lock pyproject.toml README.md ./
RUN python -m venv /opt/tributary \
    && /opt/tributary/bin/pip install --no-cache-dir --require-hashes \
        --requirement requirements-image.lock
COPY attribution attribution
COPY clients clients
COPY connectors connectors
COPY flows flows
RUN /opt/tributary/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
# The same number on every machine, so that a volume keeps its owner.
RUN useradd --uid 10001 --user-group --no-create-home tributary \
    && install --directory --owner tributary --group tributary /var/lib/tributary
COPY --from=build /opt/tributary /opt/tributary
ENV PATH=/opt/tributary/bin:$PATH PYTHONUNBUFFERED=1
USER tributary
WORKDIR /var/lib/tributary
VOLUME /var/lib/tributary
ENTRYPOINT ["tributary"]
CMD ["--help"]
