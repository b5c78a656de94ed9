# What the gateway is tried with: deploy/demo, a provider, an application, a user service, a mail service and front ends. Not for production: its passwords are known.
#
# Use it     deploy/compose builds and starts it. By hand, from the repository's root:
#
#              docker build -f deploy/images/demo.Dockerfile -t registry.example.com/accredit-demo:0.1.0 .
#              docker run --rm -p 127.0.0.1:9100:9100 -e HOST=0.0.0.0 registry.example.com/accredit-demo:0.1.0
#
# Change     the version of Node; the services, in deploy/demo.

FROM node:24.21.0-bookworm-slim AS demo
ENV NODE_ENV=production
# A new volume takes over who may use these folders: the secrets are made by this image's user, and read by the group 10001.
RUN install -d -o node -g 10001 -m 0750 /keys /keys/client /keys/gateway && install -d -o node -g node -m 0700 /mail
WORKDIR /demo
COPY deploy/demo/package.json deploy/demo/package-lock.json deploy/demo/.npmrc ./
RUN npm ci --omit=dev
COPY deploy/demo/*.mjs ./
USER 1000:1000
CMD ["node", "serve.mjs", "application"]
