# signalbox alone: one static file, not root, nothing to write to. docs/deploy.md says how to run it.
#   docker build -t signalbox --build-arg VERSION=$(git describe --tags --always) .
# For another architecture: docker buildx build --platform linux/arm64 ...

FROM --platform=$BUILDPLATFORM node:22-slim AS client
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY internal/stubs internal/stubs
RUN go mod download
COPY . .
COPY --from=client /src/node_modules/socket.io-client/dist/socket.io*.js* server/client/
ARG VERSION=dev TARGETOS TARGETARCH
RUN mkdir -p /root-of-image/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
 && CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -buildvcs=false -trimpath \
      -ldflags "-s -w -X main.version=$VERSION" -o /root-of-image/signalbox ./cmd/signalbox

FROM scratch
COPY --from=build /root-of-image/ /
ENV SIGNALBOX_ENV=production LOG_FORMAT=json
USER 65532:65532
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/signalbox", "health"]
ENTRYPOINT ["/signalbox"]
