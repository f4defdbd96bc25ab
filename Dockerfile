# The studio in a container; docs/hosting.md says how to run it, and tests/test_container.py reads it.
FROM python:3.11-slim

# PORT is a platform's word for where to listen, on all addresses.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 DREAMINA_DATA_DIR=/data PORT=7860

RUN useradd --uid 10001 --home-dir /data --no-create-home dreamina && install -d -o dreamina /data
WORKDIR /app
COPY requirements.txt ./
RUN pip install --quiet --disable-pip-version-check -r requirements.txt
COPY app.py ./
COPY assets ./assets
COPY dreamina_ui ./dreamina_ui
RUN python -m compileall -q dreamina_ui

# A number, so that a cluster can see that it is not root. All that is written goes to /data.
USER 10001
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client, os, sys; ask = http.client.HTTPConnection('127.0.0.1', os.environ.get('GRADIO_SERVER_PORT') or os.environ['PORT'], timeout=4); ask.request('GET', '/healthz'); sys.exit(ask.getresponse().status != 200)"]
CMD ["python", "app.py"]
