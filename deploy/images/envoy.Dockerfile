# Envoy with the module at /etc/envoy/accredit.wasm, and the command line: for Deployments that download nothing when they start, and for deploy/compose.
#
# Use it     from the repository's root:
#
#              docker build -f deploy/images/envoy.Dockerfile -t registry.example.com/accredit-envoy:0.1.0 .
#              docker run --rm -p 127.0.0.1:10000:10000 -v "$PWD/envoy.yaml:/etc/envoy/envoy.yaml:ro" -e OIDC_CLIENT_SECRET -e ACCREDIT_KEY registry.example.com/accredit-envoy:0.1.0
#
#              docker run --rm -i --entrypoint accredit registry.example.com/accredit-envoy:0.1.0 check - <envoy.yaml
#
#            The image has no configuration for Accredit: /etc/envoy/envoy.yaml is Envoy's example until you mount your own file there. In your file, the
#            path of the module is /etc/envoy/accredit.wasm.
#
# Change     the versions, here and in module.Dockerfile (a test compares the two); `registry.example.com`, to your registry. For digests see README.md.

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

# The command line; accredit init writes files that are made from these three.
FROM rust:1.95.0-slim-bookworm AS command
WORKDIR /accredit
COPY deploy/build/lib.sh deploy/build/cli.sh deploy/build/
COPY envoy/bff.yaml envoy/
COPY deploy/compose/envoy/bff.yaml deploy/compose/envoy/
COPY deploy/kubernetes/base/envoy.yaml deploy/kubernetes/base/
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN deploy/build/cli.sh

# With a shell, which deploy/compose needs to read secrets from files.
FROM envoyproxy/envoy:v1.40.0 AS with-shell
COPY --from=build /accredit/target/accredit.wasm /etc/envoy/accredit.wasm
COPY --from=command /accredit/target/cli/accredit /usr/local/bin/accredit
USER 101:101

# Only Envoy, the module and the command line, without a shell.
FROM envoyproxy/envoy:distroless-v1.40.0 AS distroless
COPY --from=build /accredit/target/accredit.wasm /etc/envoy/accredit.wasm
COPY --from=command /accredit/target/cli/accredit /usr/local/bin/accredit
USER 65532:65532
