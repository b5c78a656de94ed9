# The services of deploy/demo for trying the gateway: a provider, an application, a user service, a mail service and front ends. Not for production: the
# passwords are public.
#
# Use it     deploy/compose builds and starts it. To do it yourself, from the repository's root:
#
#              docker build -f deploy/images/demo.Dockerfile -t registry.example.com/accredit-demo:0.1.0 .
#              docker run --rm -p 127.0.0.1:9100:9100 -e HOST=0.0.0.0 registry.example.com/accredit-demo:0.1.0
#
# Change     the version of Node; the services, in deploy/demo.

FROM node:24.21.0-bookworm-slim AS demo
ENV NODE_ENV=production
# A new volume takes over the owner and mode of these folders: this image's user writes the secrets, and the group 10001 reads them.
RUN install -d -o node -g 10001 -m 0750 /keys /keys/client /keys/gateway && install -d -o node -g node -m 0700 /mail
WORKDIR /demo
COPY deploy/demo/package.json deploy/demo/package-lock.json deploy/demo/.npmrc ./
RUN npm ci --omit=dev
COPY deploy/demo/*.mjs ./
USER 1000:1000
CMD ["node", "serve.mjs", "application"]
