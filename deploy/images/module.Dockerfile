# The module as an image, for Istio and Envoy Gateway, which fetch it themselves, and as an init container, for Kubernetes.
#
# Use it     from the repository's root:
#
#              docker build --provenance=false -f deploy/images/module.Dockerfile -t registry.example.com/accredit:0.1.0 .
#              docker build -f deploy/images/module.Dockerfile --target installer -t registry.example.com/accredit-installer:0.1.0 .
#
#            Then push them. --provenance=false makes a single manifest instead of an index, so that fetchers do not choose a platform; the module runs on
#            every platform.
#
# Change     the versions, here and in envoy.Dockerfile (a test compares the two); `registry.example.com`, to your registry. For digests see README.md.

# Node for wasm-opt, exports.mjs and calls.mjs, which deploy/build/wasm.sh runs; their packages are those of the lock file.
FROM node:24.21.0-bookworm-slim AS tools
WORKDIR /tools
COPY deploy/build/package.json deploy/build/package-lock.json deploy/build/.npmrc ./
RUN npm ci

# The same build as everywhere else: deploy/build/wasm.sh.
FROM rust:1.95.0-slim-bookworm AS build
RUN rustup target add wasm32-wasip1
COPY --from=tools /usr/local/bin/node /usr/local/bin/node
WORKDIR /accredit
COPY --from=tools /tools/node_modules deploy/build/node_modules
COPY deploy/build/lib.sh deploy/build/cargo-wasm.sh deploy/build/wasm.sh deploy/build/exports.mjs deploy/build/calls.mjs deploy/build/
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN deploy/build/wasm.sh /accredit/target/accredit.wasm

# Copies the module to the path in its argument: `docker run … /module/accredit.wasm`. A scratch image has no program to copy with. It writes nothing else.
FROM busybox:1.37.0-musl AS installer
COPY --from=build /accredit/target/accredit.wasm /plugin.wasm
USER 65532:65532
ENTRYPOINT ["/bin/cp", "/plugin.wasm"]
CMD ["/module/accredit.wasm"]

# One layer with one file, /plugin.wasm: the name that Istio and Envoy Gateway look for.
FROM scratch AS module
COPY --from=build /accredit/target/accredit.wasm /plugin.wasm
