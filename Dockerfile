# syntax=docker/dockerfile:1
# Vestibule in an image of its own: built here, run without root on a slim Debian.
#
#   docker build -t vestibule .
#   docker run --rm vestibule --help
#
# Mount the configuration as /config.toml and a volume as /data. A container's 127.0.0.1 is its own:
# the configuration listens on 0.0.0.0:8080 and names the proxy that does TLS, see examples/compose/.

FROM rust:1-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake libclang-dev libkrb5-dev libssl-dev libxml2-dev \
      libxmlsec1-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# One OpenSSL, the system's: build.rs refuses another.
ENV OPENSSL_NO_VENDOR=1 CARGO_TARGET_DIR=/target
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target \
    cargo build --locked --release --bin vestibule \
 && install -s -D /target/release/vestibule /out/vestibule

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libgssapi-krb5-2 libssl3 libxml2 \
      libxmlsec1-openssl tini \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65532 -g 65532 -m 0700 /data
COPY --from=build /out/vestibule /usr/local/bin/vestibule
USER 65532:65532
# Here config.toml is /config.toml, and its data/ is the volume; without the file, the trial's too.
WORKDIR /
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["vestibule", "health"]
ENTRYPOINT ["/usr/bin/tini", "--", "vestibule"]
CMD ["run"]
