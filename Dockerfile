# The web page on a hospital's own server; README.md, "In a container", says how to run it.
#   docker build -t lungnodulerisk .
#   docker build -t lungnodulerisk:cuda --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 --build-arg TORCH=cuda .
ARG BASE=debian:bookworm-slim
FROM ${BASE}
ARG TORCH=cpu

# VTK draws off screen by EGL, in software where there is no GPU for it.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3 python3-venv libegl1 libgl1 libgl1-mesa-dri libglib2.0-0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/lungnodulerisk
COPY Resources/install_torch.py Resources/constraints.txt Resources/
RUN python3 -m venv /opt/venv && python3 Resources/install_torch.py /opt/venv/bin/python 2.13.0 ${TORCH}
COPY pyproject.toml README.md LICENSE.txt ./
COPY Resources Resources
COPY LungNoduleRisk LungNoduleRisk
RUN /opt/venv/bin/python -m pip install --no-cache-dir -c Resources/constraints.txt -e ".[web,dicom]"

# No root, and nothing of a patient's outlives the container: uploads lie in /tmp.
RUN useradd --create-home --uid 10001 lungnodulerisk
USER lungnodulerisk
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics
EXPOSE 8765
HEALTHCHECK CMD ["/opt/venv/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8765/healthz')"]
ENTRYPOINT ["/opt/venv/bin/nodulerisk", "serve", "--host", "0.0.0.0"]
