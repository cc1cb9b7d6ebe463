# deadpan with what reading recordings needs, for the processor, as a user without rights.
#
#   docker build -t deadpan .
#   docker run --rm --user "$(id -u)" -v "$PWD:/work" deadpan \
#       components fetch whisper-base face-landmarker silero-vad
#   docker run --rm --user "$(id -u)" -v "$PWD:/work" --network none deadpan analyze talk.mp4
#
# It reads and writes under /work: components in data/components, results in runs.
FROM python:3.11-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source \
    && ls /wheels/deadpan-*-linux_*.whl

FROM python:3.11-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    pip install --no-cache-dir --constraint /constraints.txt \
        --extra-index-url https://download.pytorch.org/whl/cpu \
        "$(ls /wheels/deadpan-*.whl)[video]"
RUN useradd --no-create-home deadpan && install --directory --owner deadpan /work
USER deadpan
WORKDIR /work
# Any --user may write there: caches of matplotlib and of fonts.
ENV HOME=/tmp
ENTRYPOINT ["deadpan"]
CMD ["--help"]
