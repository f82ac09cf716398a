FROM node:24.21.0-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# The image has its Node already, and no other package needs its install script. Why not "npm ci": see scripts/setup.mjs.
RUN npm install --no-save --ignore-scripts
COPY tsconfig.json rolldown.config.ts ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
# glibc would keep the 19 MiB of a password hash for the next one, more than 100 MB in all threads.
ENV MALLOC_MMAP_THRESHOLD_=1048576
WORKDIR /app
# The package says that the bundle is a module: without it Node reads it twice to find out, which takes 10 MB of memory for good.
COPY --from=build /src/package.json /src/dist ./
# For "kubectl exec … -- token-broker status": a command without "-c" reads the config that is mounted here.
RUN ln -s ../../../app/token-broker.js ../usr/local/bin/token-broker
WORKDIR /etc/token-broker
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080 8443 9100
# The first line of the bundle has the options of Node.
ENTRYPOINT ["token-broker"]
CMD ["start", "-c", "/etc/token-broker/sidecar.config.json"]
