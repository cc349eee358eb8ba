# The web page on a hospital's own server; Docs/web.md, "In a container", says how to run it.
#   docker build -t lungnodulerisk .
#   docker build -t lungnodulerisk:cuda --build-arg BASE=nvidia/cuda:13.0.3-base-ubuntu24.04 --build-arg TORCH=cuda .
ARG BASE=debian:bookworm-slim
FROM ${BASE}
ARG TORCH=cpu
ARG PIP_NO_CACHE_DIR=1

# VTK draws off screen by EGL: in software, by Mesa's drivers, where there is no GPU for it. The font is
# for pictures in Chinese.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3 python3-venv libegl1 libgl1-mesa-dri fonts-wqy-zenhei \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/lungnodulerisk
COPY Resources/install_torch.py Resources/
RUN python3 -m venv /opt/venv && python3 Resources/install_torch.py /opt/venv/bin/python 2.13.0 ${TORCH}
COPY pyproject.toml README.md LICENSE.txt ./
COPY Resources Resources
COPY LungNoduleRisk LungNoduleRisk
# Files checked out under a strict umask are root's alone: the page's user has to read them.
RUN chmod -R a+rX . && /opt/venv/bin/python -m pip install -c Resources/constraints.txt -e ".[web,dicom]"

# No root, and nothing of a patient's outlives the container: uploads lie in /tmp.
RUN useradd --create-home --uid 10001 lungnodulerisk
USER lungnodulerisk
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics
EXPOSE 8765
# SIGTERM would be ignored until the page is served, as by any first process of a container.
STOPSIGNAL SIGINT
# Encrypted (--certificate) or not, and by no proxy that the environment names.
HEALTHCHECK CMD for scheme in https http; do \
        no_proxy=* /opt/venv/bin/python -c "import ssl, urllib.request; urllib.request.urlopen( \
            '$scheme://127.0.0.1:8765/healthz', context=ssl._create_unverified_context())" && exit 0; \
    done; exit 1
ENTRYPOINT ["/opt/venv/bin/nodulerisk", "serve", "--host", "0.0.0.0"]
