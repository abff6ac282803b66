# Build:  docker build -t mlsys .
# Serve:  docker run -p 8000:8000 -v "$PWD/artifacts:/artifacts" \
#           -e 'MLSYS_SERVE__API_KEYS=["sha256:..."]' mlsys          (docker run --rm mlsys mlsys apikey new)
# Else:   docker run --rm -v "$PWD/artifacts:/artifacts" -v "$PWD/data:/data" mlsys mlsys score /data/prospects.csv
# It runs as user 10001. Serving and scoring only read; to keep predictions and lists, to ingest and to train, the
# mounted folder has to be writable: sudo chown -R 10001 artifacts, or run with --user "$(id -u):$(id -g)".

# Pinned by digest (3.13.15 on Debian trixie, every architecture); a newer one: docker buildx imagetools inspect python:3.13-slim
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Every wheel is checked by hash here; what is installed below comes from this folder alone.
COPY requirements.txt .
RUN pip wheel --no-deps --require-hashes --wheel-dir /wheels -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY ml_sys ml_sys
RUN pip install --no-index --find-links /wheels hatchling \
 && pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
 && python -m venv /opt/mlsys \
 && /opt/mlsys/bin/pip install --no-index --find-links /wheels ml-sys \
 && /opt/mlsys/bin/pip uninstall --yes pip
# numba's cache of compiled loops, beside the source; on a CPU of another kind they are compiled anew at the start.
RUN /opt/mlsys/bin/python -c "import ml_sys.features.compute, ml_sys.scoring.compiled.trees; from ml_sys import kernel; kernel.load()"

# The proxy of compose.yaml: Debian's nginx with conf/nginx.conf; only built where it is named (--target proxy).
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS proxy
RUN apt-get update \
 && apt-get install --yes --no-install-recommends nginx-light \
 && rm -rf /var/lib/apt/lists/*
COPY conf/nginx.conf /etc/mlsys/nginx.conf
USER www-data
EXPOSE 8080 8443
CMD ["nginx", "-c", "/etc/mlsys/nginx.conf", "-g", "daemon off;"]

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
RUN useradd --uid 10001 --create-home mlsys \
 && mkdir /artifacts \
 && chown mlsys:mlsys /artifacts
COPY --from=build /opt/mlsys /opt/mlsys
WORKDIR /app
COPY conf conf
ENV PATH=/opt/mlsys/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MLSYS_ARTIFACTS_DIR=/artifacts
USER mlsys
VOLUME /artifacts
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
CMD ["mlsys", "serve", "--host", "0.0.0.0", "--port", "8000"]
