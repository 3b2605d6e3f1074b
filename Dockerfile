# One image for every service: `docker build -t slugline .`; which service it is, its command says.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /venv
# What we depend on first: this layer stays while only our own code changes.
COPY pyproject.toml ./
RUN python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))" \
      > requirements.txt \
 && /venv/bin/pip install --no-cache-dir -r requirements.txt
COPY README.md LICENSE ./
COPY shared shared
COPY services services
COPY seeds seeds
RUN /venv/bin/pip install --no-cache-dir --no-deps . \
 && /venv/bin/python -m compileall -q /venv/lib \
 && /venv/bin/slugline --version

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Slugline" \
      org.opencontainers.image.description="Turns a newsroom's live blog into feeds and signed webhooks" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /venv /venv
ENV PATH="/venv/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Volumes take over the owner of what is mounted over: so these must be there, and ours.
RUN mkdir -p /var/lib/slugline/secrets /var/lib/slugline/view && chown -R 10001:10001 /var/lib/slugline
ENV SLUGLINE_DATA_DIR=/var/lib/slugline/view SLUGLINE_HOST=0.0.0.0
WORKDIR /var/lib/slugline
USER 10001:10001
EXPOSE 8080 8081
ENTRYPOINT ["slugline"]
CMD ["--help"]
