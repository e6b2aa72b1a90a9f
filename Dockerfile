# mixnet_tools on the CPU, as a user without rights. The folder /work is where the commands read and write:
#   docker build -t mixnet_tools .
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" mixnet_tools mixnet-convert --name mixnet-nano -d .
# EXTRAS are those of pyproject.toml: report for pages, int8 for mixnet-quantize, onnx for ONNX models, and so on.
FROM python:3.12-slim AS build
ARG EXTRAS=report,onnx
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY licenses licenses
COPY models models
COPY src src
RUN python -m venv /opt/mixnet_tools && /opt/mixnet_tools/bin/pip install --no-cache-dir ".[$EXTRAS]"

FROM python:3.12-slim
COPY --from=build /opt/mixnet_tools /opt/mixnet_tools
ENV PATH=/opt/mixnet_tools/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
RUN useradd --create-home user
USER user
WORKDIR /work
CMD ["mixnet", "--help"]
