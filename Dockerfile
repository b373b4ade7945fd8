# The bridge without the embedded broker, for docker-compose.yml and for anything like it.
#
#     docker build -t openc2-bridge .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# The dependencies alone first: they stay in the cache while our own source changes.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/e2e \
    && echo '' >src/lib.rs \
    && echo 'fn main() {}' | tee src/main.rs benches/dispatch.rs benches/jadn.rs benches/journal.rs benches/wire.rs >benches/e2e/main.rs \
    && cargo build --locked --release --no-default-features --features idn \
    && rm -r src benches
COPY . .
# Newer than what was built of the empty source above.
RUN touch src/lib.rs src/main.rs \
    && cargo build --locked --release --no-default-features --features idn

FROM debian:12-slim
# openssl is for broker/certs.sh, which docker-compose.yml runs in here.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates openssl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/oc2 --shell /usr/sbin/nologin oc2 \
    && install -d -o oc2 -g oc2 -m 700 /var/lib/oc2 \
    && install -d -m 755 /etc/oc2
COPY --from=build /src/target/release/oc2 /usr/local/bin/oc2
COPY --chmod=755 examples/actuators/ /etc/oc2/examples/actuators/
COPY --chmod=644 bridge.toml topics.toml /etc/oc2/
USER oc2
# The journal and the client identifier live here: keep it on a volume.
ENV OC2_JOURNAL_DIR=/var/lib/oc2/journal \
    OC2_MQTT_CLIENT_ID_FILE=/var/lib/oc2/client-id
WORKDIR /var/lib/oc2
VOLUME /var/lib/oc2
# Let started commands finish, then go.
STOPSIGNAL SIGTERM
# No HEALTHCHECK: a bridge that cannot go on ends, and is started again; and a probe that
# connected to the broker would take the bridge's own session over.
ENTRYPOINT ["oc2"]
CMD ["run", "--config", "/etc/oc2/bridge.toml", "--topics", "/etc/oc2/topics.toml"]
